package postgres_test

import (
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
)

func newMigrator(t testing.TB, pool *pgxpool.Pool) *postgres.Migrator {
	t.Helper()
	migrator, err := postgres.NewMigrator(pool, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return migrator
}

// Processes of an older version go on while the tables can't be migrated, so the
// database must not look as if a migration were under way.
func TestAMigrationThatIsRefusedLeavesTheVersionAsItWas(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	migrator := newMigrator(t, pool)
	require.NoError(t, migrator.DownTo(t.Context(), 3))
	before, err := migrator.Versions(t.Context())
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `CREATE VIEW days AS SELECT period FROM learning_log_aggregates WHERE granularity = 'day'`)
	require.NoError(t, err)

	for range 2 {
		err = migrator.Up(t.Context())

		require.EqualError(t, err, "migrating the schema: ERROR: cannot alter type of a column used by a view or rule (SQLSTATE 0A000)")
		versions, err := migrator.Versions(t.Context())
		require.NoError(t, err)
		assert.Equal(t, before, versions)
	}

	_, err = pool.Exec(t.Context(), `DROP VIEW days`)
	require.NoError(t, err)
	require.NoError(t, migrator.Up(t.Context()))
	assert.NoError(t, migrator.Check(t.Context()))
}

func TestNoDirectionTouchesANewerSchema(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, err := pool.Exec(t.Context(), `UPDATE learninglog_schema_migrations SET version = 1000`)
	require.NoError(t, err)
	migrator := newMigrator(t, pool)

	for _, err := range []error{migrator.Up(t.Context()), migrator.Down(t.Context()), migrator.DownTo(t.Context(), 3)} {
		require.ErrorContains(t, err, "run a newer learninglog")
	}

	versions, err := migrator.Versions(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1000, versions.Schema)
	assert.NotZero(t, versions.Queue)
	assert.NoError(t, migrator.Check(t.Context()), "processes of this version go on")
}

func TestDownToIsOnlyForOlderVersionsWithoutLoss(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	migrator := newMigrator(t, pool)
	before, err := migrator.Versions(t.Context())
	require.NoError(t, err)

	require.ErrorContains(t, migrator.DownTo(t.Context(), postgres.OldestVersion-1), "lose the results of verifications")
	require.ErrorContains(t, migrator.DownTo(t.Context(), before.Schema+1), "older than")
	require.NoError(t, migrator.DownTo(t.Context(), before.Schema), "it is there already")

	after, err := migrator.Versions(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before, after)
	require.NoError(t, migrator.DownTo(t.Context(), postgres.OldestVersion))
	after, err = migrator.Versions(t.Context())
	require.NoError(t, err)
	assert.Equal(t, postgres.OldestVersion, after.Schema)
	assert.Equal(t, before.Queue, after.Queue)
}

func TestDownToInADatabaseWithoutTables(t *testing.T) {
	t.Parallel()
	migrator := newMigrator(t, pgtest.Open(t, pgtest.EmptyURL(t)))

	require.ErrorContains(t, migrator.DownTo(t.Context(), 3), "the tables have version 0, which is older than 3")
}

// Otherwise a change of a job with 10,000 users takes as long as thousands of others.
func TestMigratingRemovesTheIndexOfTheArgumentsOfJobs(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	migrator := newMigrator(t, pool)
	hasIndex := func() (has bool) {
		err := pool.QueryRow(t.Context(), `SELECT to_regclass('river.river_job_args_index') IS NOT NULL`).Scan(&has)
		require.NoError(t, err)
		return has
	}
	assert.False(t, hasIndex(), "in a new database")
	_, err := pool.Exec(t.Context(), `CREATE INDEX river_job_args_index ON river.river_job USING gin (args)`)
	require.NoError(t, err)

	require.NoError(t, migrator.Up(t.Context()))

	assert.False(t, hasIndex(), "in a database of an earlier version")
}
