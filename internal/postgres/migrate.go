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
	// versionTable has its own name, because another application in the same
	// database may use golang-migrate too, with the table schema_migrations.
	versionTable = "learninglog_schema_migrations"
	// migrateLock is the key of the advisory lock for migrations.
	migrateLock int64 = 0x6c6c_6d69_6772_6174 // "llmigrat"
)

// ErrNotMigrated means, in [Migrator.Check], that the database lacks tables that
// this program needs.
var ErrNotMigrated = errors.New("the database is not migrated")

// OldestVersion is the oldest version of the schema to which [Migrator.DownTo] goes.
// Going further would lose the results of the last verifications.
const OldestVersion = 2

// Migrator migrates the tables of learninglog and of River, its job queue, up to the
// version of this program, or down to nothing. It also migrates the tables of
// learninglog down to an older version.
type Migrator struct {
	pool   *pgxpool.Pool
	logger *slog.Logger
	river  *rivermigrate.Migrator[pgx.Tx]
	// latest is the version of this program's newest migration.
	latest int
}

// Versions are the versions of the tables in a database, and those that this program
// needs. Version 0 means that there are no tables.
type Versions struct {
	Schema, LatestSchema int
	Queue, LatestQueue   int
	// Interrupted says that a migration of the schema was begun but not completed.
	Interrupted bool
}

// NewMigrator returns a migrator for the database of pool.
func NewMigrator(pool *pgxpool.Pool, logger *slog.Logger) (*Migrator, error) {
	river, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{
		Schema: RiverSchema,
		Logger: slog.New(slog.DiscardHandler), // it would log every step; Up logs the result
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

// Up migrates the database to the version of this program. If several processes call
// it at the same time, one migrates, and the others wait and find nothing to do. It
// refuses a database whose schema is newer than this program.
func (m *Migrator) Up(ctx context.Context) error {
	return m.withoutTimeouts(ctx, (*Migrator).up)
}

func (m *Migrator) up(ctx context.Context) error {
	return m.locked(ctx, func() error {
		versions, err := m.knownVersions(ctx)
		if err != nil {
			return err
		}
		if err := m.migrateSchema((*migrate.Migrate).Up, versionBefore); err != nil {
			return fmt.Errorf("migrating the schema: %w", err)
		}
		if versions.Schema < versions.LatestSchema || versions.Interrupted {
			m.analyze(ctx)
		}
		if _, err := m.pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+RiverSchema); err != nil {
			return fmt.Errorf("creating the schema of the job queue: %w", err)
		}
		if _, err := m.river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("migrating the job queue: %w", err)
		}
		if _, err := m.pool.Exec(ctx, dropArgsIndexSQL); err != nil {
			return fmt.Errorf("removing an index of the job queue: %w", err)
		}
		if versions.Schema < versions.LatestSchema || versions.Queue < versions.LatestQueue {
			m.logger.InfoContext(ctx, "migrated the database", "tables", versions.LatestSchema, "job_queue", versions.LatestQueue)
		}
		return nil
	})
}

// dropArgsIndexSQL removes River's index of the arguments of jobs. No query uses it, but
// every change of a job writes it: with a list of 10,000 users, that took 30 ms each time.
// CONCURRENTLY, because the services of the version before go on meanwhile.
const dropArgsIndexSQL = `DROP INDEX CONCURRENTLY IF EXISTS ` + RiverSchema + `.river_job_args_index`

// analyze renews PostgreSQL's statistics of the tables. A new column has none, nor has
// one that has a new type, and autovacuum doesn't look at them until a tenth of the
// table has changed. The statistics of an empty table would do harm: it would be taken
// for one that stays empty.
func (m *Migrator) analyze(ctx context.Context) {
	const query = `
		DO $$ BEGIN
		    IF EXISTS (SELECT 1 FROM learning_log) THEN ANALYZE learning_log, learning_log_aggregates; END IF;
		END $$`
	if _, err := m.pool.Exec(ctx, query); err != nil {
		m.logger.WarnContext(ctx, "analyzing the tables failed, so queries may be slow until they are analyzed", "error", err)
	}
}

// knownVersions returns the versions of the database. It fails if the schema is newer
// than this program.
func (m *Migrator) knownVersions(ctx context.Context) (Versions, error) {
	versions, err := m.Versions(ctx)
	if err != nil {
		return Versions{}, err
	}
	if versions.Schema > m.latest {
		return Versions{}, fmt.Errorf("the database's schema has version %d, but this program only knows %d: "+
			"run a newer learninglog", versions.Schema, m.latest)
	}
	return versions, nil
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

// Check returns nil if the database answers and has the tables that this program
// needs. It fails with [ErrNotMigrated] if it lacks them, and with another error if
// it doesn't answer. A newer schema is accepted, because old processes keep serving
// while a new version is being rolled out.
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

// withoutTimeouts calls work with connections of its own that have no timeouts.
// Timeouts set by the URL, a role or the database are meant for requests. Creating
// an index of a large table takes longer, and so does waiting for another process
// that migrates.
func (m *Migrator) withoutTimeouts(ctx context.Context, work func(*Migrator, context.Context) error) error {
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
// has its own lock, but River's migrations have none.
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
		_ = connection.Conn().Close(ctx) // closing the session releases the lock
	}
}

// migrateSchema runs golang-migrate in one direction. An interrupted migration
// leaves the database marked as dirty at a version. Then it is run again; package
// migrations explains why this is safe. before returns the version that the database
// had before the migration that leaves such a mark.
func (m *Migrator) migrateSchema(
	direction func(*migrate.Migrate) error, before func(files source.Driver, dirty int) int,
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
		if err := migrator.Force(before(files, dirty.Version)); err != nil {
			return err
		}
		err = direction(migrator)
	}
	if errors.Is(err, migrate.ErrNoChange) {
		return nil
	}
	refused := refusal(err)
	if refused == nil {
		return err
	}
	// The migration is one transaction, so it has changed nothing. Without the mark,
	// processes of the version before go on.
	version, dirty, err := driver.Version()
	if err == nil && dirty {
		err = migrator.Force(before(files, version))
	}
	return errors.Join(refused, err)
}

// refusal returns the reason why PostgreSQL refused a migration, or nil if err is
// something else. golang-migrate's own error has the whole text of the migration.
func refusal(err error) error {
	failed, ok := errors.AsType[database.Error](err)
	if !ok {
		return nil
	}
	refused, ok := errors.AsType[*pgconn.PgError](failed.OrigErr)
	switch {
	case !ok || refused.SeverityUnlocalized != "ERROR":
		return nil // FATAL ends the session, perhaps after the commit
	case refused.Code == pgerrcode.ObjectNotInPrerequisiteState:
		return errors.New(refused.Message) // a sentence of ours
	default:
		return refused
	}
}

// versionBefore returns the version that the database had before an up migration.
func versionBefore(files source.Driver, dirty int) int {
	if dirty < 0 {
		return database.NilVersion
	}
	previous, err := files.Prev(uint(dirty))
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
