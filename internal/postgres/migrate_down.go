package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/source"
	"github.com/golang-migrate/migrate/v4/source/iofs"

	"learninglog/internal/sharding"
	"learninglog/migrations"
)

// Down removes all tables of learninglog and of the job queue, with their data.
func (m *Migrator) Down(ctx context.Context) error {
	return m.withoutTimeouts(ctx, (*Migrator).down)
}

func (m *Migrator) down(ctx context.Context) error {
	return m.locked(ctx, func() error {
		if _, err := m.knownVersions(ctx); err != nil {
			return err
		}
		// River's own migrations can't always go down: some fail if there are jobs.
		if _, err := m.pool.Exec(ctx, "DROP SCHEMA IF EXISTS "+RiverSchema+" CASCADE"); err != nil {
			return fmt.Errorf("removing the job queue: %w", err)
		}
		// Down migrations fail if an older version would not know something, or a cluster. Here
		// nothing is to be left.
		if _, err := m.pool.Exec(ctx, removeSQL); err != nil {
			return fmt.Errorf("removing the tables: %w", err)
		}
		// Down migrations don't fail if there is nothing to remove. So this begins with
		// the newest, which also removes what was prepared for it.
		fromLatest := func(migrator *migrate.Migrate) error {
			if err := migrator.Force(m.latest); err != nil {
				return err
			}
			return migrator.Down()
		}
		if err := m.migrateSchema(fromLatest, versionAfter); err != nil {
			return fmt.Errorf("removing the tables: %w", err)
		}
		return nil
	})
}

// removeSQL removes the tables that down migrations may refuse to change.
const removeSQL = `
	DROP TABLE IF EXISTS learning_log, learning_log_aggregates, learning_log_sealed_days, learning_log_settings,
	                     learninglog_sessions, learninglog_keys, learninglog_share_links, learninglog_erased_users`

// DownTo migrates the schema down to a version, from [OldestVersion] to the database's
// own. All data stays but share links, which open nothing there, and the job queue stays as it is. It fails, and changes nothing,
// if the older version would not know something that is in the tables.
func (m *Migrator) DownTo(ctx context.Context, version int) error {
	return m.withoutTimeouts(ctx, func(m *Migrator, ctx context.Context) error { return m.downTo(ctx, version) })
}

// oldestDistributed is the oldest version of the schema whose tables may be distributed.
const oldestDistributed = 5

func (m *Migrator) downTo(ctx context.Context, version int) error {
	return m.locked(ctx, func() error {
		versions, err := m.knownVersions(ctx)
		if err != nil {
			return err
		}
		switch {
		case version > versions.Schema:
			return fmt.Errorf("the tables have version %d, which is older than %d", versions.Schema, version)
		case version < OldestVersion:
			return fmt.Errorf("going down to a version before %d would lose the results of verifications", OldestVersion)
		}
		shards, err := sharding.Read(ctx, m.pool)
		if err != nil {
			return err
		}
		if shards != nil && version < oldestDistributed {
			return fmt.Errorf("the tables are distributed over a cluster, which versions before %d don't know", oldestDistributed)
		}
		down := func(migrator *migrate.Migrate) error { return m.runDown(migrator, versions, version) }
		before := func(source.Driver, int) int { return versions.from(m.latest) }
		if err := m.migrateSchema(down, before); err != nil {
			return fmt.Errorf("going down to version %d: %w", version, err)
		}
		m.analyze(ctx)
		return nil
	})
}

// runDown runs all down migrations to a version in one transaction, because each of them
// may refuse. After an interruption it is not known which of them have run; those that have
// find nothing to do.
func (m *Migrator) runDown(migrator *migrate.Migrate, from Versions, to int) error {
	latest := from.from(m.latest)
	if latest == to {
		return migrate.ErrNoChange
	}
	files, err := iofs.New(migrations.FS, ".")
	if err != nil {
		return err
	}
	var all bytes.Buffer
	for version := latest; version > to; version-- {
		one, _, err := files.ReadDown(uint(version))
		if err != nil {
			return err
		}
		if _, err := all.ReadFrom(one); err != nil {
			return errors.Join(err, one.Close())
		}
		if err := one.Close(); err != nil {
			return err
		}
	}
	down, err := migrate.NewMigration(io.NopCloser(&all), "down", uint(latest), to)
	if err != nil {
		return err
	}
	return migrator.Run(down)
}

// from returns the version from which to go down. After an interruption, none of the down
// migrations may have run.
func (v Versions) from(latest int) int {
	if v.Interrupted {
		return latest
	}
	return v.Schema
}

// versionAfter returns the version that the database had before a down migration.
func versionAfter(files source.Driver, dirty int) int {
	following := files.First
	if dirty >= 0 {
		following = func() (uint, error) { return files.Next(uint(dirty)) }
	}
	version, err := following()
	if err != nil {
		return dirty // the newest
	}
	return int(version)
}
