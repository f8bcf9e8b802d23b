package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river/rivertype"

	"learninglog/command"
	"learninglog/internal/postgres"
	"learninglog/internal/timerange"
	"learninglog/query"
	"learninglog/rollup"
)

// scopeFlags say what to rebuild or verify.
type scopeFlags struct {
	User *uuid.UUID `placeholder:"UUID" help:"Only this user."`
	From string     `placeholder:"DATE" help:"Only periods from the one that contains this date or RFC 3339 date-time on."`
	To   string     `placeholder:"DATE" help:"Only periods through the one that contains this date or RFC 3339 date-time."`
}

func (f scopeFlags) scope() (rollup.Scope, error) {
	scope := rollup.Scope{UserID: f.User}
	for _, end := range []struct {
		flag, text string
		into       **time.Time
	}{
		{"--from", f.From, &scope.From},
		{"--to", f.To, &scope.To},
	} {
		if end.text == "" {
			continue
		}
		bound, err := timerange.Parse(end.text, zone())
		if err != nil {
			return rollup.Scope{}, fmt.Errorf("%s %w", end.flag, err)
		}
		*end.into = &bound.At
		if end.flag == "--to" {
			*end.into = new(bound.Last(zone()))
		}
	}
	return scope, nil
}

type rebuildCommand struct {
	databaseFlags
	scopeFlags

	DryRun bool `help:"Report the drift and leave it."`
	Wait   bool `help:"Wait until it is done, and show the progress. A running service does the work, or this command if there is none: then it works all rebuilds that are queued."`
}

// Run asks for a rebuild, and with --wait sees it through.
func (c *rebuildCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withJobs(ctx, func(jobs *rollup.Jobs, ownServer bool) error {
		if c.Wait {
			rebuild, err := c.seeThrough(ctx, jobs, c.DryRun, stdout, ownServer)
			if err != nil {
				return err
			}
			return report(stdout, rebuild)
		}
		requested, err := c.request(ctx, jobs, c.DryRun)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "rebuild %[1]d is queued: GET /v1/rebuilds/%[1]d shows how far it is\n", requested.ID)
		if err == nil && ownServer {
			_, err = fmt.Fprintln(stdout, "No service runs: it will be worked when one does, or now with --wait.")
		}
		return err
	})
}

type verifyCommand struct {
	databaseFlags
	scopeFlags
}

// Run is rebuild --dry-run --wait, and fails where there is drift.
func (c *verifyCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withJobs(ctx, func(jobs *rollup.Jobs, ownServer bool) error {
		rebuild, err := c.seeThrough(ctx, jobs, true, stdout, ownServer)
		if err != nil {
			return err
		}
		if err := report(stdout, rebuild); err != nil {
			return err
		}
		if rebuild.Progress.RowsDrifted > 0 {
			return errDrift
		}
		return nil
	})
}

// seeThrough asks for a rebuild and returns it when it has ended. One that had
// begun before, and may be past what is asked about, is only waited for.
func (f scopeFlags) seeThrough(
	ctx context.Context, jobs *rollup.Jobs, dryRun bool, stdout io.Writer, alone bool,
) (query.Rebuild, error) {
	for {
		requested, err := f.request(ctx, jobs, dryRun)
		if err != nil {
			return query.Rebuild{}, err
		}
		rebuild, err := follow(ctx, jobs, requested.ID, stdout, alone)
		if err != nil || !requested.Begun {
			return rebuild, err
		}
		_, err = fmt.Fprintf(stdout, "rebuild %d of the same scope had begun before; now for one that begins now\n", requested.ID)
		if err != nil {
			return query.Rebuild{}, err
		}
	}
}

func (f scopeFlags) request(ctx context.Context, jobs *rollup.Jobs, dryRun bool) (command.RequestedRebuild, error) {
	scope, err := f.scope()
	if err != nil {
		return command.RequestedRebuild{}, err
	}
	return command.RequestRebuild(ctx, jobs.Client(), scope, dryRun)
}

// withJobs opens the job queue. ownServer says that this process runs the
// database, so that no service can be using it.
func (f databaseFlags) withJobs(ctx context.Context, work func(jobs *rollup.Jobs, ownServer bool) error) (err error) {
	logger := commandLogger()
	opened, err := f.openExisting(ctx, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()

	migrator, err := postgres.NewMigrator(opened.pool, logger)
	if err != nil {
		return err
	}
	if err := migrator.Check(ctx); err != nil {
		return err
	}
	jobs, err := rollup.NewJobs(opened.pool, rollup.JobsConfig{
		Schema: postgres.RiverSchema,
		Zone:   zone(),
		Logger: logger,
	})
	if err != nil {
		return err
	}
	return work(jobs, opened.embedded != nil)
}

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
