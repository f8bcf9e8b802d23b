package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"learninglog/internal/api"
	"learninglog/rollup/rebuild"
)

// verifyRemotely asks a service to verify, and waits until it has, as of now.
func (c *verifyCommand) verifyRemotely(ctx context.Context, args rebuild.Args, stdout io.Writer) (rebuild.Job, error) {
	key, err := c.read()
	if err != nil {
		return rebuild.Job{}, err
	}
	service := remoteRebuilds{c.URL.url.JoinPath("v1/rebuilds").String(), key}
	request := func() (rebuild.Requested, error) {
		// Even if it is interrupted meanwhile: only the answer says what is to be cancelled then.
		got, err := service.call(context.WithoutCancel(ctx), http.MethodPost, "", remoteRequest(args))
		return rebuild.Requested{ID: got.ID, Joined: got.Joined, Begun: got.HadBegun}, err
	}
	return untilOneBeginsNow(stdout, "verification", request, func(requested rebuild.Requested) (rebuild.Job, error) {
		return service.follow(ctx, requested)
	})
}

// follow waits until a verification has ended, and returns it. If it is interrupted, it
// cancels the verification, unless somebody had requested that before.
func (r remoteRebuilds) follow(ctx context.Context, requested rebuild.Requested) (rebuild.Job, error) {
	show, clearShown := showRebuild()
	defer clearShown()
	path, wait := fmt.Sprintf("/%d", requested.ID), pollEvery
	for answered := time.Now(); ; {
		select {
		case <-ctx.Done():
			return rebuild.Job{}, r.leave(ctx, path, requested)
		case <-time.After(wait):
		}
		wait = pollEvery
		got, err := r.call(ctx, http.MethodGet, path, nil)
		switch refused, ok := errors.AsType[*remoteError](err); {
		case ctx.Err() != nil:
		case err == nil:
			job := jobOf(got)
			if job.Ended() {
				return job, nil
			}
			answered = time.Now()
			show(job)
		case ok && !refused.mayPass(), time.Since(answered) > outageTimeout:
			return rebuild.Job{}, fmt.Errorf("verification %d goes on, but can't be watched: %w", requested.ID, err)
		case ok:
			wait = max(wait, refused.retryAfter)
		}
	}
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
	status     int
	text       string
	retryAfter time.Duration // 0 if it doesn't say
}

func (e *remoteError) Error() string { return e.text }

// mayPass reports whether the same request may be answered later.
func (e *remoteError) mayPass() bool {
	return e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout || e.status >= http.StatusInternalServerError
}

func (r remoteRebuilds) call(ctx context.Context, method, path string, body any) (api.RequestedRebuild, error) {
	const patience, mostBytes = 30 * time.Second, 4 << 20
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var text bytes.Buffer
	if body != nil {
		_ = json.NewEncoder(&text).Encode(body) // can't fail
	}
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, &text)
	if err != nil {
		return api.RequestedRebuild{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if r.key != "" {
		request.Header.Set("Authorization", "Bearer "+r.key)
	}
	response, err := http.DefaultTransport.RoundTrip(request) // follows no redirects, which could lead the key elsewhere
	if err != nil {
		return api.RequestedRebuild{}, fmt.Errorf("the service can't be reached: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusMultipleChoices {
		hint := ""
		if status := response.StatusCode; status == http.StatusUnauthorized || status == http.StatusForbidden {
			hint = " Set " + keyVariable + " to a key with the scope rebuilds, or name a file that has one with --key-file: see learninglog key create --help"
		}
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return api.RequestedRebuild{}, &remoteError{
			response.StatusCode, "the service answered " + response.Status + reason(response.Body) + hint, time.Duration(seconds) * time.Second,
		}
	}
	var got api.RequestedRebuild
	if err := json.NewDecoder(io.LimitReader(response.Body, mostBytes)).Decode(&got); err != nil || got.ID == 0 {
		return api.RequestedRebuild{}, &remoteError{text: "the answer is not that of a learninglog service: is the URL right?"}
	}
	return got, nil
}

func jobOf(got api.RequestedRebuild) rebuild.Job {
	return rebuild.Job{
		ID: got.ID, State: rebuild.State(got.State), Args: rebuild.Args{DryRun: got.DryRun}, FinishedAt: got.FinishedAt, Error: got.Error,
		Progress: rebuild.Progress{
			UsersDone: got.Progress.UsersDone, LogsDone: got.Progress.LogsDone, LogsExpected: got.Progress.LogsExpected, Seconds: got.Progress.Seconds,
			RowsDrifted: got.Progress.RowsDrifted, Drifted: got.Progress.Drifted, Examples: got.Progress.Examples,
		},
	}
}

// leave cancels a verification even if ctx has ended, unless somebody had requested it
// before. It returns what became of it.
func (r remoteRebuilds) leave(ctx context.Context, path string, requested rebuild.Requested) error {
	if requested.Joined {
		return fmt.Errorf("stopped waiting: verification %d, which had been requested before, goes on", requested.ID)
	}
	if _, err := r.call(context.WithoutCancel(ctx), http.MethodDelete, path, nil); err != nil {
		return fmt.Errorf("stopped waiting: verification %d goes on, because it can't be cancelled: %w", requested.ID, err)
	}
	return fmt.Errorf("stopped: verification %d is cancelled", requested.ID)
}
