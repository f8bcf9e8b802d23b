package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river/rivertype"

	"learninglog/query"
	"learninglog/rollup"
)

const (
	// pollEvery is how often a rebuild is looked at while it is waited for.
	pollEvery = 200 * time.Millisecond
	// lookAfterEvery is how often one is looked for whose process is gone, as there
	// may be no service to do that.
	lookAfterEvery = 2 * time.Second
	// idleAfter is how long a job may wait before the command takes it for
	// granted that no service runs.
	idleAfter = 2 * time.Second
)

// follow returns the rebuild when it has ended, and shows until then how far it
// is. A service works it, or after a moment this process; at once if it is alone.
// If ctx ends first the rebuild goes on, or waits for somebody to go on with it.
func follow(ctx context.Context, jobs *rollup.Jobs, id int64, alone bool) (_ query.Rebuild, err error) {
	work := &ownWork{jobs: jobs}
	defer func() { err = errors.Join(err, work.stop(ctx)) }()
	show, clearShown := showRebuild()
	defer clearShown()

	waitingSince, lookedAfter := time.Now(), time.Now()
	for {
		rebuild, err := query.GetRebuild(ctx, jobs.Client(), id)
		switch {
		case ctx.Err() != nil:
			return query.Rebuild{}, stoppedWaiting(id, work.begun)
		case errors.Is(err, query.ErrNotFound):
			return query.Rebuild{}, errUnknownRebuild(id)
		case err != nil || rebuild.Ended():
			return rebuild, err
		}
		show(rebuild)
		if rebuild.State == rivertype.JobStateRunning {
			waitingSince = time.Now()
		}
		if alone || time.Since(waitingSince) > idleAfter {
			if err := work.begin(ctx); err != nil {
				return query.Rebuild{}, err
			}
		}
		if time.Since(lookedAfter) > lookAfterEvery {
			lookedAfter = time.Now()
			if _, err := jobs.Rescue(ctx); err != nil && ctx.Err() == nil {
				return query.Rebuild{}, err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// ownWork is working jobs in this process.
type ownWork struct {
	jobs  *rollup.Jobs
	begun bool
}

func (w *ownWork) begin(ctx context.Context) error {
	if w.begun {
		return nil
	}
	err := w.jobs.Start(ctx)
	w.begun = err == nil
	return err
}

// stop hands on what isn't done, also when ctx has ended.
func (w *ownWork) stop(ctx context.Context) error {
	if !w.begun {
		return nil
	}
	const patience = 20 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return w.jobs.Stop(ctx)
}

// stoppedWaiting says what becomes of a rebuild that is not waited for any longer.
func stoppedWaiting(id int64, workedIt bool) error {
	becomes := "goes on"
	if workedIt {
		becomes = "was worked by this command, and goes on with the next service or command"
	}
	return fmt.Errorf("stopped waiting: rebuild %[1]d %[2]s\n"+
		"  learninglog rebuild watch %[1]d    shows how far it is\n"+
		"  learninglog rebuild cancel %[1]d   cancels it", id, becomes)
}
