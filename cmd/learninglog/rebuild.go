package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"learninglog/internal/audit"
	"learninglog/internal/postgres"
	"learninglog/rollup/rebuild"
)

type rebuildCommand struct {
	Start  rebuildStartCommand  `cmd:"" default:"withargs" help:"Ask for a rebuild (the default)."`
	Watch  rebuildWatchCommand  `cmd:"" help:"Show how far a rebuild is, until it has ended, and what it found."`
	Cancel rebuildCancelCommand `cmd:"" help:"Cancel a rebuild. What it has repaired stays repaired."`
	List   rebuildListCommand   `cmd:"" help:"List the latest rebuilds and verifications."`
}

// Help is the additional text of --help.
func (*rebuildCommand) Help() string {
	return "`learninglog rebuild` with nothing but flags is `learninglog rebuild start`: see its --help."
}

type rebuildStartCommand struct {
	databaseFlags
	rebuildFlags

	DryRun bool `help:"Report the drift and leave it."`
	Wait   bool `help:"Wait until it is done, and show the progress. A running service does the work, or this command if there is none: then it works all rebuilds that are queued."`
}

// Help is the additional text of --help.
func (*rebuildStartCommand) Help() string {
	return `A rebuild compares the rollups with the logs and adds what is missing, while everybody goes on writing. It is a job in the database: a running service does the work, at most --max-logs-per-second, and goes on with it after a crash or a deploy.

  learninglog rebuild --wait                                      everything
  learninglog rebuild --users-file users.txt                      some users
  learninglog rebuild --recorded-since 2026-01-14T08:00:00Z       who has learned since
  learninglog rebuild --workers 4 --max-logs-per-second 0 --wait  as fast as it can
  learninglog rebuild watch 7                                     how far is it?
  learninglog rebuild cancel 7
  learninglog rebuild cancel --waiting                            all that wait

It waits behind no rebuild that was requested over HTTP, only behind those of operators: by this command, verify or the page /admin. While one of these with the same scope waits or runs there is no second one: that one is meant, with its own workers and pace.`
}

// Validate is called by kong.
func (c *rebuildStartCommand) Validate() error {
	return cmp.Or(c.databaseFlags.Validate(), c.rebuildFlags.Validate())
}

// Run requests a rebuild. With --wait, it also waits until the rebuild has ended.
func (c *rebuildStartCommand) Run(ctx context.Context, stdout io.Writer) error {
	args, err := c.args(c.DryRun)
	if err != nil {
		return err
	}
	return c.withJobs(ctx, func(jobs audit.Jobs, ownServer bool) error {
		if c.Wait {
			job, err := c.requestAndFollow(ctx, jobs, args, stdout, ownServer)
			if err != nil {
				return err
			}
			return report(stdout, job, c.pasteRepair(c.rebuildFlags))
		}
		return c.request(ctx, jobs, args, stdout, ownServer)
	})
}

// request requests a job, and says how to watch it.
func (f databaseFlags) request(
	ctx context.Context, jobs audit.Jobs, args rebuild.Args, stdout io.Writer, ownServer bool,
) error {
	requested, err := jobs.Request(ctx, args)
	if err != nil {
		return f.withRemedy(err)
	}
	what := "is queued"
	if requested.Joined {
		what = joined(requested)
	}
	_, err = fmt.Fprintf(stdout, "%s %d %s: `%s` shows how far it is\n",
		whatItDoes(args), requested.ID, what, f.paste("rebuild", "watch", strconv.FormatInt(requested.ID, 10)))
	if err == nil && ownServer {
		_, err = fmt.Fprintln(stdout, "No service runs: it will be worked when one does, or now with --wait.")
	}
	return err
}

// joined describes a rebuild that had already been requested.
func joined(requested rebuild.Requested) string {
	if requested.Begun {
		return "of the same scope had begun before, and its workers and pace hold"
	}
	return "of the same scope is queued already, and its workers and pace hold"
}

// requestAndFollow requests a rebuild and returns it when it has ended, as of now.
func (f databaseFlags) requestAndFollow(
	ctx context.Context, jobs audit.Jobs, args rebuild.Args, stdout io.Writer, alone bool,
) (rebuild.Job, error) {
	request := func() (requested rebuild.Requested, err error) {
		err = retryDuringOutage(ctx, func() (err error) {
			requested, err = jobs.Request(ctx, args)
			return err
		})
		return requested, f.withRemedy(err)
	}
	return untilOneBeginsNow(stdout, requestedName(args), request, func(requested rebuild.Requested) (rebuild.Job, error) {
		return f.follow(ctx, jobs.Jobs, requested.ID, alone)
	})
}

// untilOneBeginsNow requests a rebuild, and follows it until it has ended. If it had
// already begun, it may have passed rows that have changed since; then it requests
// another.
func untilOneBeginsNow(
	stdout io.Writer, name string,
	request func() (rebuild.Requested, error), follow func(rebuild.Requested) (rebuild.Job, error),
) (rebuild.Job, error) {
	for {
		requested, err := request()
		if err != nil {
			return rebuild.Job{}, err
		}
		if requested.Joined {
			_, err := fmt.Fprintf(stdout, "%s %d %s: waiting for it\n", name, requested.ID, joined(requested))
			if err != nil {
				return rebuild.Job{}, err
			}
		}
		job, err := follow(requested)
		if err != nil || !requested.Begun {
			return job, err
		}
		if _, err := fmt.Fprintf(stdout, "%s %d has ended; now for one that begins now\n", name, requested.ID); err != nil {
			return rebuild.Job{}, err
		}
	}
}

// withRemedy adds to an error of a request what can be done about it.
func (f databaseFlags) withRemedy(err error) error {
	if !errors.Is(err, rebuild.ErrTooMany) {
		return err
	}
	return fmt.Errorf("%w\n  %s   cancels them", err, f.paste("rebuild", "cancel", "--waiting"))
}

// requestedName names a job where it doesn't matter whether it repairs.
func requestedName(args rebuild.Args) string {
	if args.IsRezone() || args.IsPurge() {
		return whatItDoes(args)
	}
	return "rebuild"
}

// errUnknownRebuild returns the error for an id that no rebuild has.
func (f databaseFlags) errUnknownRebuild(id int64) error {
	return fmt.Errorf("there is no rebuild %d, or none any more: `%s` shows those that there are", id, f.paste("rebuild", "list"))
}

// withJobs opens the job queue. ownServer says that this process runs the database
// server, so no service can be using it.
func (f databaseFlags) withJobs(ctx context.Context, work func(jobs audit.Jobs, ownServer bool) error) (err error) {
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
	if err := f.check(ctx, migrator); err != nil {
		return err
	}
	config := rebuild.Config{
		Schema:      postgres.RiverSchema,
		Forget:      forgetting(),
		Logger:      slog.New(slog.DiscardHandler), // the report has the same content
		RiverLogger: logger,
	}
	if opened.embedded != nil { // no other process has to learn what a purge refuses
		config.SettleTime = time.Nanosecond
	}
	jobs, err := rebuild.NewJobs(opened.pool, config)
	if err != nil {
		return err
	}
	return work(audit.Jobs{Jobs: jobs, Trail: audit.NewOfCommand(opened.pool, logger)}, opened.embedded != nil)
}
