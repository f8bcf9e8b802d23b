package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"learninglog/migrations"
)

// RiverSchema is the schema of the job queue's tables.
const RiverSchema = "river"

const (
	// versionTable has a name of its own, as a database that is shared with
	// another user of golang-migrate has that one's schema_migrations.
	versionTable = "learninglog_schema_migrations"
	// migrateLock is the key of the advisory lock that whoever migrates holds.
	migrateLock int64 = 0x6c6c_6d69_6772_6174 // "llmigrat"
)

// ErrNotMigrated is the error of [Migrator.Check] for a database without the
// tables that this program needs.
var ErrNotMigrated = errors.New("the database is not migrated")

// Migrator brings the tables of learninglog and of River, its job queue, to the
// version of this program and back.
type Migrator struct {
	pool   *pgxpool.Pool
	logger *slog.Logger
	river  *rivermigrate.Migrator[pgx.Tx]
	// latest is the version of the newest migration that this program has.
	latest int
}

// Versions are those of a database's tables, and those that this program needs.
// Version 0 is a database without tables.
type Versions struct {
	Schema, LatestSchema int
	Queue, LatestQueue   int
	// Interrupted says that a migration of the schema was begun and not ended.
	Interrupted bool
}

// NewMigrator returns a migrator of the database of pool.
func NewMigrator(pool *pgxpool.Pool, logger *slog.Logger) (*Migrator, error) {
	river, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{
		Schema: RiverSchema,
		Logger: slog.New(slog.DiscardHandler), // it tells of every step; Up tells of the whole
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the migrations of the job queue: %w", err)
	}
	latest, err := latestVersion()
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	return &Migrator{pool: pool, logger: logger, river: river, latest: latest}, nil
}

// Up brings the database to the version of this program. Of several that try at
// once, one migrates and the others wait and find it done. It refuses a database
// whose schema is newer than this program.
func (m *Migrator) Up(ctx context.Context) error {
	return m.unhurried(ctx, (*Migrator).up)
}

func (m *Migrator) up(ctx context.Context) error {
	return m.locked(ctx, func() error {
		versions, err := m.Versions(ctx)
		if err != nil {
			return err
		}
		if versions.Schema > m.latest {
			return fmt.Errorf("the database's schema has version %d, but this program only knows %d: "+
				"run a newer learninglog", versions.Schema, m.latest)
		}
		if err := m.migrateSchema((*migrate.Migrate).Up, versionBefore); err != nil {
			return fmt.Errorf("migrating the schema: %w", err)
		}
		if _, err := m.pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+RiverSchema); err != nil {
			return fmt.Errorf("creating the schema of the job queue: %w", err)
		}
		if _, err := m.river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("migrating the job queue: %w", err)
		}
		if versions.Schema < versions.LatestSchema || versions.Queue < versions.LatestQueue {
			m.logger.InfoContext(ctx, "migrated the database", "tables", versions.LatestSchema, "job_queue", versions.LatestQueue)
		}
		return nil
	})
}

// Down removes all tables of learninglog and of the job queue, with everything
// in them.
func (m *Migrator) Down(ctx context.Context) error {
	return m.unhurried(ctx, (*Migrator).down)
}

func (m *Migrator) down(ctx context.Context) error {
	return m.locked(ctx, func() error {
		// Not by River's migrations: some can't go down once there are jobs.
		if _, err := m.pool.Exec(ctx, "DROP SCHEMA IF EXISTS "+RiverSchema+" CASCADE"); err != nil {
			return fmt.Errorf("removing the job queue: %w", err)
		}
		if err := m.migrateSchema((*migrate.Migrate).Down, m.latestOf); err != nil {
			return fmt.Errorf("removing the tables: %w", err)
		}
		return nil
	})
}

// Versions reads the versions of the database.
func (m *Migrator) Versions(ctx context.Context) (Versions, error) {
	riverVersions := m.river.AllVersions()
	versions := Versions{LatestSchema: m.latest, LatestQueue: riverVersions[len(riverVersions)-1].Version}

	const query = `SELECT greatest(version, 0), dirty FROM ` + versionTable
	err := m.pool.QueryRow(ctx, query).Scan(&versions.Schema, &versions.Interrupted)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) && !isUndefinedTable(err) {
		return Versions{}, fmt.Errorf("reading the version of the schema: %w", err)
	}
	existing, err := m.river.ExistingVersions(ctx)
	if err != nil {
		return Versions{}, fmt.Errorf("reading the version of the job queue: %w", err)
	}
	if len(existing) > 0 {
		versions.Queue = existing[len(existing)-1].Version
	}
	return versions, nil
}

// Check returns nil if the database answers and has what this program needs. It
// fails with [ErrNotMigrated] if it lacks it, and with another error if it
// doesn't answer. A newer database will do: while a new version is being rolled
// out, the old one still serves.
func (m *Migrator) Check(ctx context.Context) error {
	versions, err := m.Versions(ctx)
	if err != nil {
		return err
	}
	if versions.Schema < versions.LatestSchema || versions.Queue < versions.LatestQueue || versions.Interrupted {
		return ErrNotMigrated
	}
	return nil
}

// unhurried does work on connections of its own. The timeouts that the URL, a role or
// the database sets are meant for requests: an index of a large table takes longer,
// and so does whoever waits for another that migrates.
func (m *Migrator) unhurried(ctx context.Context, work func(*Migrator, context.Context) error) error {
	config := m.pool.Config()
	connected := config.AfterConnect
	config.AfterConnect = func(ctx context.Context, connection *pgx.Conn) error {
		if connected != nil {
			if err := connected(ctx, connection); err != nil {
				return err
			}
		}
		_, err := connection.Exec(ctx, `
			SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0`)
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("opening connections to migrate with: %w", err)
	}
	defer pool.Close()
	migrator, err := NewMigrator(pool, m.logger)
	if err != nil {
		return err
	}
	return work(migrator, ctx)
}

// locked calls work while no other process migrates this database. golang-migrate
// has a lock of its own, but River's migrations have none.
func (m *Migrator) locked(ctx context.Context, work func() error) error {
	connection, err := m.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer connection.Release()
	if _, err := connection.Exec(ctx, `SELECT pg_advisory_lock($1)`, migrateLock); err != nil {
		return fmt.Errorf("waiting for another process that migrates: %w", err)
	}
	defer m.unlock(ctx, connection)
	return work()
}

func (m *Migrator) unlock(ctx context.Context, connection *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := connection.Exec(ctx, `SELECT pg_advisory_unlock($1)`, migrateLock); err != nil {
		_ = connection.Conn().Close(ctx) // the lock ends with its session
	}
}

// migrateSchema runs golang-migrate in a direction. A migration that was
// interrupted leaves it dirty at a version; then everything from restart on, as
// seen from there, is run again: see package migrations for why it may be.
func (m *Migrator) migrateSchema(
	direction func(*migrate.Migrate) error, restart func(files source.Driver, version int) int,
) error {
	files, err := iofs.New(migrations.FS, ".")
	if err != nil {
		return err
	}
	sqlDB := stdlib.OpenDBFromPool(m.pool)
	driver, err := migratepgx.WithInstance(sqlDB, &migratepgx.Config{MigrationsTable: versionTable})
	if err != nil {
		return errors.Join(err, sqlDB.Close())
	}
	migrator, err := migrate.NewWithInstance("embedded", files, "postgres", driver)
	if err != nil {
		return errors.Join(err, driver.Close())
	}
	defer func() { _, _ = migrator.Close() }()

	err = direction(migrator)
	if dirty, ok := errors.AsType[migrate.ErrDirty](err); ok {
		m.logger.Warn("repeating a migration that was interrupted", "version", dirty.Version)
		if err := migrator.Force(restart(files, dirty.Version)); err != nil {
			return err
		}
		err = direction(migrator)
	}
	if errors.Is(err, migrate.ErrNoChange) {
		return nil
	}
	return err
}

// latestOf is where going down starts again: below it, nothing need be there.
func (m *Migrator) latestOf(source.Driver, int) int { return m.latest }

// versionBefore is where going up starts again.
func versionBefore(files source.Driver, version int) int {
	if version < 0 {
		return database.NilVersion
	}
	previous, err := files.Prev(uint(version))
	if err != nil {
		return database.NilVersion
	}
	return int(previous)
}

func latestVersion() (int, error) {
	files, err := iofs.New(migrations.FS, ".")
	if err != nil {
		return 0, err
	}
	version, err := files.First()
	for err == nil {
		var next uint
		if next, err = files.Next(version); err == nil {
			version = next
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	return int(version), nil
}

func isUndefinedTable(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == pgerrcode.UndefinedTable
}
