package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"learninglog/internal/postgres"
	"learninglog/query"
)

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" default:"withargs" help:"Bring the tables to this version (the default)."`
	Down   migrateDownCommand   `cmd:"" help:"Remove all tables, with everything in them; or go back to an older version of them with --to, and keep everything."`
	Status migrateStatusCommand `cmd:"" help:"Print the versions of the tables. Exits with 2 unless they are this program's."`
}

type migrateUpCommand struct {
	databaseFlags
}

// Run migrates up. Unlike other commands, it creates an embedded database if there
// is none.
func (c *migrateUpCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withMigrator(ctx, c.open, func(_ *database, migrator *postgres.Migrator) error {
		if err := migrator.Up(ctx); err != nil {
			return err
		}
		return printVersions(ctx, stdout, migrator)
	})
}

type migrateDownCommand struct {
	databaseFlags

	Yes bool `xor:"how" help:"Remove the tables even if there are learning logs in them."`
	To  *int `xor:"how" placeholder:"VERSION" help:"Instead bring the tables to this older version, for an older program. All data stays, and so does the job queue. Refuses if the older version would not know something that is recorded. Stop this version first: wherever it starts, it migrates up again."`
}

// Run migrates down. It deletes logs only if a flag confirms it.
func (c *migrateDownCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withMigrator(ctx, c.openExisting, func(database *database, migrator *postgres.Migrator) error {
		if c.To != nil {
			if err := migrator.DownTo(ctx, *c.To); err != nil {
				return err
			}
			if err := printVersions(ctx, stdout, migrator); err != nil {
				return err
			}
			_, err := fmt.Fprintln(stdout, "Start only the older program now: wherever this one starts, it migrates up again.")
			return err
		}
		versions, err := migrator.Versions(ctx)
		if err != nil {
			return err
		}
		if versions.Schema > 0 && !c.Yes {
			has, err := query.NewReader(database.pool, time.UTC).HasLogs(ctx)
			if err != nil {
				return err
			}
			if has {
				return errors.New("there are learning logs in the database, which this would delete for good: " +
					"back them up, and say --yes")
			}
		}
		if err := migrator.Down(ctx); err != nil {
			return err
		}
		return printVersions(ctx, stdout, migrator)
	})
}

type migrateStatusCommand struct {
	databaseFlags
}

// Run prints the versions.
func (c *migrateStatusCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withMigrator(ctx, c.openExisting, func(_ *database, migrator *postgres.Migrator) error {
		if err := printVersions(ctx, stdout, migrator); err != nil {
			return err
		}
		return c.check(ctx, migrator)
	})
}

func (f databaseFlags) withMigrator(
	ctx context.Context,
	open func(context.Context, *slog.Logger) (*database, error),
	work func(*database, *postgres.Migrator) error,
) (err error) {
	logger := commandLogger()
	opened, err := open(ctx, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	migrator, err := postgres.NewMigrator(opened.pool, logger)
	if err != nil {
		return err
	}
	return work(opened, migrator)
}

// check fails if the database lacks tables that this program needs.
func (f databaseFlags) check(ctx context.Context, migrator *postgres.Migrator) error {
	err := migrator.Check(ctx)
	if errors.Is(err, postgres.ErrNotMigrated) {
		return fmt.Errorf("%w: run `%s`", err, f.paste("migrate"))
	}
	return err
}

func printVersions(ctx context.Context, stdout io.Writer, migrator *postgres.Migrator) error {
	versions, err := migrator.Versions(ctx)
	if err != nil {
		return err
	}
	interrupted := ""
	if versions.Interrupted {
		interrupted = ", interrupted"
	}
	_, err = fmt.Fprintf(stdout, "tables     version %d of %d%s\njob queue  version %d of %d\n",
		versions.Schema, versions.LatestSchema, interrupted, versions.Queue, versions.LatestQueue)
	return err
}
