package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/riverqueue/river/rivertype"

	"learninglog/query"
	"learninglog/rollup"
)

const (
	// pollEvery is how often a rebuild is looked at while it is waited for.
	pollEvery = 200 * time.Millisecond
	// showEvery is how often its progress is printed.
	showEvery = 2 * time.Second
	// idleAfter is how long a job may wait before the command takes it for
	// granted that no service runs.
	idleAfter = 2 * time.Second
)

// follow returns the rebuild when it has ended. A service works it, or after a
// moment this process. If ctx ends first the rebuild goes on, or waits for a
// service to go on with it.
func follow(ctx context.Context, jobs *rollup.Jobs, id int64, stdout io.Writer, alone bool) (_ query.Rebuild, err error) {
	working := false
	work := func() error {
		if working {
			return nil
		}
		err := jobs.Start(ctx)
		working = err == nil
		return err
	}
	defer func() {
		if working {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
			defer cancel()
			err = errors.Join(err, jobs.Stop(stopping))
		}
	}()
	if alone {
		if err := work(); err != nil {
			return query.Rebuild{}, err
		}
	}

	waitingSince, shown := time.Now(), time.Now()
	for {
		rebuild, err := query.GetRebuild(ctx, jobs.Client(), id)
		switch {
		case ctx.Err() != nil:
			return query.Rebuild{}, fmt.Errorf("stopped waiting: a service that runs goes on with rebuild %d", id)
		case err != nil:
			return query.Rebuild{}, err
		case rebuild.Ended():
			return rebuild, nil
		}
		if rebuild.State == rivertype.JobStateRunning {
			waitingSince = time.Now()
		}
		if time.Since(waitingSince) > idleAfter {
			if err := work(); err != nil {
				return query.Rebuild{}, err
			}
		}
		if time.Since(shown) > showEvery {
			shown = time.Now()
			if err := showProgress(ctx, jobs, rebuild, stdout); err != nil {
				return query.Rebuild{}, err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// showProgress prints how far the rebuild is. It also rescues one whose process
// is gone, as there may be no service to do that.
func showProgress(ctx context.Context, jobs *rollup.Jobs, rebuild query.Rebuild, stdout io.Writer) error {
	if _, err := jobs.Rescue(ctx); err != nil {
		return err
	}
	progress, interrupted := rebuild.Progress, ""
	if rebuild.Error != "" {
		interrupted = "; it was interrupted: " + rebuild.Error
	}
	_, err := fmt.Fprintf(stdout, "rebuild %d is %s: %s, %s done, %s drifted, %d repaired%s\n",
		rebuild.ID, rebuild.State, count(progress.UsersDone, "user"), count(progress.LogsDone, "log"),
		count(progress.RowsDrifted, "row"), progress.RowsRepaired, interrupted)
	return err
}
