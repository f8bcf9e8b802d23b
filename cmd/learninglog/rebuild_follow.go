package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"learninglog/internal/postgres"
	"learninglog/rollup/rebuild"
)

const (
	// pollEvery is how often a rebuild is read while the command waits for it.
	pollEvery = 200 * time.Millisecond
	// rescueEvery is how often rebuilds whose process has died are rescued, because
	// there may be no service that does so.
	rescueEvery = 2 * time.Second
	// idleAfter is how long a job may wait before the command assumes that no
	// service is running.
	idleAfter = 2 * time.Second
)

// follow shows the progress of a rebuild, and returns it when it has ended. A
// service works on the rebuild, or after a moment this process; immediately if alone
// is set. If ctx ends first, or if the database is unavailable for too long, the
// rebuild continues, or waits for a process that continues it.
func (f databaseFlags) follow(ctx context.Context, jobs *rebuild.Jobs, id int64, alone bool) (_ rebuild.Job, err error) {
	show, clearShown := showRebuild()
	defer clearShown()
	looks := &follower{jobs: jobs, id: id, alone: alone, show: show, work: ownWork{jobs: jobs}}
	looks.waitingSince, looks.rescuedAt = time.Now(), time.Now()
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
				looks.waitingSince = time.Now() // the process that worked on it needs a moment to reconnect
			}
		case away.shouldRetry(err, clearShown):
		case postgres.Unavailable(err):
			return rebuild.Job{}, f.errOutageTooLong(id, err)
		default:
			return rebuild.Job{}, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// follower is what follow remembers about a rebuild between two reads.
type follower struct {
	jobs  *rebuild.Jobs
	id    int64
	alone bool
	show  func(rebuild.Job)
	work  ownWork

	waitingSince, rescuedAt time.Time
}

// look returns the current state of the rebuild, and makes sure that a process works
// on it.
func (f *follower) look(ctx context.Context) (rebuild.Job, error) {
	job, err := f.jobs.Get(ctx, f.id)
	if err != nil || job.Ended() {
		return job, err
	}
	f.show(job)
	working, err := f.isWorking(ctx)
	if err != nil {
		return rebuild.Job{}, err
	}
	if working {
		f.waitingSince = time.Now()
	}
	if f.alone || time.Since(f.waitingSince) > idleAfter {
		if err := f.work.begin(ctx); err != nil {
			return rebuild.Job{}, err
		}
	}
	if time.Since(f.rescuedAt) > rescueEvery {
		f.rescuedAt = time.Now()
		if _, err := f.jobs.Rescue(ctx); err != nil {
			return rebuild.Job{}, err
		}
	}
	return job, nil
}

// isWorking reports whether any job is being worked, so that a process is there that
// works jobs.
func (f *follower) isWorking(ctx context.Context) (bool, error) {
	const some = 100
	jobs, err := f.jobs.List(ctx, some)
	isRunning := func(job rebuild.Job) bool { return job.State == rebuild.Running }
	return slices.ContainsFunc(jobs, isRunning), err
}

// ownWork means that this process works on jobs.
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

// stop hands unfinished jobs back to the queue, even if ctx has ended.
func (w *ownWork) stop(ctx context.Context) error {
	if !w.begun {
		return nil
	}
	const timeout = 20 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	return w.jobs.Stop(ctx)
}

// stoppedWaiting returns the error for a rebuild that the command no longer waits
// for. It says how the rebuild continues.
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

// errOutageTooLong returns the error for a rebuild whose database was unavailable
// for too long. It says how the rebuild continues.
func (f databaseFlags) errOutageTooLong(id int64, err error) error {
	return fmt.Errorf("the database has been away for %s: rebuild %d goes on as soon as a service runs\n"+
		"  %s    shows how far it is\n"+
		"the last answer: %w", outageTimeout, id, f.paste("rebuild", "watch", strconv.FormatInt(id, 10)), err)
}
