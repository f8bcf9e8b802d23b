package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"learninglog/internal/api"
	"learninglog/rollup/rebuild"
)

// verifyRemotely asks a service to verify, and waits until it has. If it is interrupted, it
// cancels that.
func (c *verifyCommand) verifyRemotely(ctx context.Context, args rebuild.Args) (rebuild.Job, error) {
	key, err := c.read()
	if err != nil {
		return rebuild.Job{}, err
	}
	service := remoteRebuilds{c.URL.url.JoinPath("v1/rebuilds").String(), key}
	job, err := service.call(ctx, http.MethodPost, "", remoteRequest(args))
	if err != nil {
		return rebuild.Job{}, err
	}
	path, poll := fmt.Sprintf("/%d", job.ID), time.NewTicker(pollEvery)
	defer poll.Stop()
	show, clearShown := showRebuild()
	defer clearShown()
	for answered := time.Now(); !job.Ended(); {
		select {
		case <-ctx.Done():
			return rebuild.Job{}, service.cancel(ctx, path, job.ID)
		case <-poll.C:
		}
		latest, err := service.call(ctx, http.MethodGet, path, nil)
		switch refused, ok := errors.AsType[*remoteError](err); {
		case err == nil:
			job, answered = latest, time.Now()
			show(job)
		case ok && refused.status < http.StatusInternalServerError, time.Since(answered) > outageTimeout:
			return rebuild.Job{}, fmt.Errorf("verification %d goes on, but can't be watched: %w", job.ID, err)
		}
	}
	return job, nil
}

// remoteRequest is the body of a request for a verification.
func remoteRequest(args rebuild.Args) api.NewRebuild {
	body := api.NewRebuild{
		RecordedSince: args.Scope.RecordedSince, DryRun: true, Workers: args.Workers, MaxLogsPerSecond: &args.MaxLogsPerSecond,
	}
	for _, user := range args.Scope.Users {
		body.UserIDs = append(body.UserIDs, user.String())
	}
	if args.Scope.From != nil {
		body.From = new(args.Scope.From.String())
	}
	if args.Scope.To != nil {
		body.To = new(args.Scope.To.String())
	}
	return body
}

// remoteRebuilds are the rebuilds of a service, by their URL.
type remoteRebuilds struct{ url, key string }

// remoteError is an answer of the service that is no rebuild.
type remoteError struct {
	status int
	text   string
}

func (e *remoteError) Error() string { return e.text }

func (r remoteRebuilds) call(ctx context.Context, method, path string, body any) (rebuild.Job, error) {
	const patience, mostBytes = 30 * time.Second, 4 << 20
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var text bytes.Buffer
	if body != nil {
		_ = json.NewEncoder(&text).Encode(body) // can't fail
	}
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, &text)
	if err != nil {
		return rebuild.Job{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if r.key != "" {
		request.Header.Set("Authorization", "Bearer "+r.key)
	}
	response, err := http.DefaultTransport.RoundTrip(request) // follows no redirects, which could lead the key elsewhere
	if err != nil {
		return rebuild.Job{}, fmt.Errorf("the service can't be reached: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusMultipleChoices {
		hint := ""
		if status := response.StatusCode; status == http.StatusUnauthorized || status == http.StatusForbidden {
			hint = " Set " + keyVariable + " to a key with the scope rebuilds, or name a file that has one with --key-file: see learninglog key create --help"
		}
		return rebuild.Job{}, &remoteError{response.StatusCode, "the service answered " + response.Status + reason(response.Body) + hint}
	}
	var got api.Rebuild
	if err := json.NewDecoder(io.LimitReader(response.Body, mostBytes)).Decode(&got); err != nil || got.ID == 0 {
		return rebuild.Job{}, &remoteError{text: "the answer is not that of a learninglog service: is the URL right?"}
	}
	return rebuild.Job{
		ID: got.ID, State: rebuild.State(got.State), Args: rebuild.Args{DryRun: got.DryRun}, FinishedAt: got.FinishedAt, Error: got.Error,
		Progress: rebuild.Progress{
			UsersDone: got.Progress.UsersDone, LogsDone: got.Progress.LogsDone, LogsExpected: got.Progress.LogsExpected, Seconds: got.Progress.Seconds,
			RowsDrifted: got.Progress.RowsDrifted, Drifted: got.Progress.Drifted, Examples: got.Progress.Examples,
		},
	}, nil
}

// cancel cancels a rebuild even if ctx has ended, and returns what became of it.
func (r remoteRebuilds) cancel(ctx context.Context, path string, id int64) error {
	if _, err := r.call(context.WithoutCancel(ctx), http.MethodDelete, path, nil); err != nil {
		return fmt.Errorf("stopped waiting: verification %d goes on, because it can't be cancelled: %w", id, err)
	}
	return fmt.Errorf("stopped: verification %d is cancelled", id)
}
