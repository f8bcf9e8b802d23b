package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/google/uuid"

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
	var scope rollup.Scope
	if f.User != nil {
		scope.Users = append(scope.Users, *f.User)
	}
	if f.From != "" {
		from, err := timerange.Parse(f.From, zone())
		if err != nil {
			return rollup.Scope{}, fmt.Errorf("--from %w", err)
		}
		scope.From = &from.At
	}
	if f.To != "" {
		to, err := timerange.Parse(f.To, zone())
		if err != nil {
			return rollup.Scope{}, fmt.Errorf("--to %w", err)
		}
		scope.To = new(to.Last(zone()))
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
	return command.RequestRebuild(ctx, jobs.Client(), rollup.RebuildArgs{Scope: scope, DryRun: dryRun})
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
		Schema:      postgres.RiverSchema,
		Zone:        zone(),
		Logger:      slog.New(slog.DiscardHandler), // the report says it
		RiverLogger: logger,
	})
	if err != nil {
		return err
	}
	return work(jobs, opened.embedded != nil)
}
