package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"learninglog/internal/postgres"
	"learninglog/rollup/rebuild"
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
// If ctx ends first the rebuild goes on, or waits for somebody to go on with it; so
// it does if the database is away for too long.
func (f databaseFlags) follow(ctx context.Context, jobs *rebuild.Jobs, id int64, alone bool) (_ rebuild.Job, err error) {
	show, clearShown := showRebuild()
	defer clearShown()
	looks := &follower{jobs: jobs, id: id, alone: alone, show: show, work: ownWork{jobs: jobs}}
	looks.waitingSince, looks.lookedAfter = time.Now(), time.Now()
	defer func() { err = errors.Join(err, looks.work.stop(ctx)) }()

	var away outage
	for {
		job, err := looks.look(ctx)
		switch {
		case ctx.Err() != nil:
			return rebuild.Job{}, f.stoppedWaiting(id, looks.work.begun)
		case errors.Is(err, rebuild.ErrNotFound):
			return rebuild.Job{}, f.errUnknownRebuild(id)
		case err == nil && job.Ended():
			return job, nil
		case err == nil:
			if away.over() {
				looks.waitingSince = time.Now() // whoever worked it needs a moment to come back
			}
		case away.shouldRetry(err, clearShown):
		case postgres.Unavailable(err):
			return rebuild.Job{}, f.errStaysAway(id, err)
		default:
			return rebuild.Job{}, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// follower is what follow knows of a rebuild between two looks at it.
type follower struct {
	jobs  *rebuild.Jobs
	id    int64
	alone bool
	show  func(rebuild.Job)
	work  ownWork

	waitingSince, lookedAfter time.Time
}

// look returns the rebuild as it is, and sees to it that somebody works it.
func (f *follower) look(ctx context.Context) (rebuild.Job, error) {
	job, err := f.jobs.Get(ctx, f.id)
	if err != nil || job.Ended() {
		return job, err
	}
	f.show(job)
	if job.State == rebuild.Running {
		f.waitingSince = time.Now()
	}
	if f.alone || time.Since(f.waitingSince) > idleAfter {
		if err := f.work.begin(ctx); err != nil {
			return rebuild.Job{}, err
		}
	}
	if time.Since(f.lookedAfter) > lookAfterEvery {
		f.lookedAfter = time.Now()
		if _, err := f.jobs.Rescue(ctx); err != nil {
			return rebuild.Job{}, err
		}
	}
	return job, nil
}

// ownWork is working jobs in this process.
type ownWork struct {
	jobs  *rebuild.Jobs
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
func (f databaseFlags) stoppedWaiting(id int64, workedIt bool) error {
	becomes := "goes on"
	if workedIt {
		becomes = "was worked by this command, and goes on with the next service or command"
	}
	number := strconv.FormatInt(id, 10)
	return fmt.Errorf("stopped waiting: rebuild %d %s\n"+
		"  %s    shows how far it is\n"+
		"  %s   cancels it", id, becomes, f.paste("rebuild", "watch", number), f.paste("rebuild", "cancel", number))
}

// errStaysAway says what becomes of a rebuild whose database was away for too long.
func (f databaseFlags) errStaysAway(id int64, err error) error {
	return fmt.Errorf("the database has been away for %s: rebuild %d goes on as soon as a service runs\n"+
		"  %s    shows how far it is\n"+
		"the last answer: %w", outagePatience, id, f.paste("rebuild", "watch", strconv.FormatInt(id, 10)), err)
}
