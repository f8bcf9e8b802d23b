package migrations_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

func TestEveryLogAndEveryTotalOutlivesTheMigrationToOwnDays(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, 3))
	fillAsVersion3(t, pool)
	before := contentOf(t, pool)
	require.Greater(t, len(before.rollups), 100)

	require.NoError(t, newMigrator(t, pool).Up(t.Context()))

	assert.Equal(t, before, contentOf(t, pool))
	assert.Empty(t, pgtest.Drift(t, pool))
	assert.Equal(t, []string{"0 f"}, lines(t, pool, `SELECT DISTINCT utc_offset || ' ' || left(offset_given::text, 1) FROM learning_log`))
	assert.Empty(t, lines(t, pool, `SELECT request_id::text FROM learning_log WHERE voided_at IS NOT NULL OR changed_at IS NOT NULL`))
	var days int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stats
		WHERE tablename LIKE 'learning_log%' AND attname IN ('utc_offset', 'voided_at', 'granularity', 'period')`).Scan(&days))
	assert.Equal(t, 4, days, "the planner knows the new columns")
}

func TestSchemaOfOwnDays(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, 4))

	schema := strings.Join(schemaOf(t, pool), "\n")

	for _, line := range []string{
		`column learning_log.utc_offset smallint NOT NULL 0`,
		`column learning_log.offset_given boolean NOT NULL false`,
		`column learning_log_aggregates.granularity learning_log_granularity NOT NULL `,
		`column learning_log_aggregates.period date NOT NULL `,
		`CREATE INDEX learning_log_counted_idx ON public.learning_log USING btree (user_id, "timestamp") INCLUDE (word_count, utc_offset) WHERE (voided_at IS NULL)`,
		`CREATE INDEX learning_log_voided_idx ON public.learning_log USING btree (user_id, "timestamp") WHERE (voided_at IS NOT NULL)`,
		`CREATE INDEX learning_log_changed_at_idx ON public.learning_log USING btree (changed_at) WHERE (changed_at IS NOT NULL)`,
		`CREATE UNIQUE INDEX learning_log_aggregates_pkey ON public.learning_log_aggregates USING btree (user_id, granularity, period)`,
		`CREATE INDEX learning_log_aggregates_period_idx ON public.learning_log_aggregates USING brin (period) WITH (autosummarize='on')`,
	} {
		assert.Contains(t, schema, line)
	}
	assert.NotContains(t, schema, "learning_log_user_id_timestamp_idx", "another index does the same")
}

func TestTheSchemaRefusesImpossibleLogsAndPeriods(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, 4))
	const log = `INSERT INTO learning_log (request_id, user_id, word_count, "timestamp", utc_offset, voided_at, changed_at)
		VALUES (gen_random_uuid(), gen_random_uuid(), 1, '2026-01-14Z', `
	for _, possible := range []string{
		log + `-720, NULL, NULL)`,
		log + `840, NULL, now())`,
		log + `0, now(), now())`,
		`INSERT INTO learning_log_aggregates VALUES (gen_random_uuid(), 'month', '0001-12-01 BC', 1, 1)`,
	} {
		execute(t, pool, possible)
	}
	for _, impossible := range []string{
		log + `-721, NULL, NULL)`,
		log + `841, NULL, NULL)`,
		log + `0, now(), NULL)`,
		log + `0, now(), now() - interval '1 second')`,
		`INSERT INTO learning_log_aggregates VALUES (gen_random_uuid(), 'day', 'infinity', 1, 1)`,
		`INSERT INTO learning_log_aggregates VALUES (gen_random_uuid(), 'day', '-infinity', 1, 1)`,
	} {
		_, err := pool.Exec(t.Context(), impossible)
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, impossible)
		assert.Equal(t, "23514", refused.Code, impossible)
	}
}

// A process that dies leaves the database marked as dirty, whether it had reached the
// commit of the migration or not.
func TestMigratingToOwnDaysIsSafeToRepeat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		states []string
	}{
		{"complete", nil},
		{"interrupted before the commit", []string{`UPDATE learninglog_schema_migrations SET version = 4, dirty = true`}},
		{"interrupted after the commit", []string{"up", `UPDATE learninglog_schema_migrations SET dirty = true`}},
		{"interrupted on the way down", []string{"up", `UPDATE learninglog_schema_migrations SET version = 3, dirty = true`}},
		{"interrupted after the way down", []string{`UPDATE learninglog_schema_migrations SET version = 3, dirty = true`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Open(t, databaseOfVersion(t, 3))
			fillAsVersion3(t, pool)
			before, migrator := contentOf(t, pool), newMigrator(t, pool)
			for _, state := range test.states {
				if state == "up" {
					require.NoError(t, migrator.Up(t.Context()))
				} else {
					execute(t, pool, state)
				}
			}

			require.NoError(t, migrator.Up(t.Context()))
			require.NoError(t, migrator.Up(t.Context()), "again")

			assert.Equal(t, before, contentOf(t, pool))
			assert.Equal(t, schemaOf(t, pgtest.Open(t, databaseOfVersion(t, newest))), schemaOf(t, pool))
			assert.NoError(t, migrator.Check(t.Context()))
		})
	}
}

func TestRepeatingTheMigrationLeavesOffsetsAndVoidsAlone(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, 4))
	execute(t, pool, `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp", utc_offset, offset_given, voided_at, changed_at)
		VALUES (gen_random_uuid(), gen_random_uuid(), 7, '2026-01-14Z', 540, true, NULL, NULL),
		       (gen_random_uuid(), gen_random_uuid(), 8, '2026-01-14Z', -60, false, '2026-01-15Z', '2026-01-16Z')`,
		`UPDATE learninglog_schema_migrations SET dirty = true`)
	const all = `SELECT log::text FROM learning_log AS log ORDER BY request_id`
	before := lines(t, pool, all)

	require.NoError(t, newMigrator(t, pool).Up(t.Context()))

	assert.Equal(t, before, lines(t, pool, all))
}

// Nobody could read rows that start at another time than midnight, and the date of such
// a row may have a row already.
func TestMigratingToOwnDaysLeavesOutRowsThatStartAtNoDay(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, 3))
	fillAsVersion3(t, pool)
	before := contentOf(t, pool)
	execute(t, pool, `
		INSERT INTO learning_log_aggregates
		SELECT user_id, granularity, period + interval '1 hour', 99, 1 FROM learning_log_aggregates`)

	require.NoError(t, newMigrator(t, pool).Up(t.Context()))

	assert.Equal(t, before, contentOf(t, pool))
	assert.Empty(t, pgtest.Drift(t, pool))
}

// CREATE INDEX CONCURRENTLY that is interrupted leaves an index that is never used, but
// that IF NOT EXISTS takes for the index.
func TestTheMigrationMakesAnInvalidIndexAgain(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, 3))
	fillAsVersion3(t, pool)
	names := []string{"learning_log_counted_idx", "learning_log_voided_idx", "learning_log_changed_at_idx"}
	for _, name := range names {
		_, err := pool.Exec(t.Context(), `CREATE UNIQUE INDEX CONCURRENTLY `+name+` ON learning_log ((1))`)
		require.ErrorContains(t, err, "could not create unique index")
	}
	require.Len(t, slices.DeleteFunc(schemaOf(t, pool), func(line string) bool { return !strings.HasPrefix(line, "invalid: ") }), len(names))

	require.NoError(t, newMigrator(t, pool).Up(t.Context()))

	assert.Equal(t, schemaOf(t, pgtest.Open(t, databaseOfVersion(t, newest))), schemaOf(t, pool))
}

// A process of version 3 that is still running knows neither offsets nor voided logs.
// What it writes fails as a whole, and what it reads is right, or fails.
func TestProcessesOfVersion3CanNotWriteAnyMore(t *testing.T) {
	t.Parallel()
	user, log := uuid.New(), uuid.New()
	insert := func(connection *pgx.Conn) error {
		_, err := insertAsVersion3(context.Background(), connection, []oldLog{
			{log, user, 5, timeOf("2026-01-31T23:30:00Z")},
			{uuid.New(), user, 5, timeOf("2026-02-01T00:30:00Z")},
		})
		return err
	}
	compare := func(statement string) func(*pgx.Conn) error {
		return func(connection *pgx.Conn) error {
			rows, err := connection.Query(context.Background(), statement, everythingInVersion3())
			if err != nil {
				return err
			}
			rows.Close()
			return rows.Err()
		}
	}
	for _, zone := range []string{"UTC", "America/New_York", "Asia/Tokyo"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			url := databaseOfVersion(t, 3)
			pool := pgtest.Open(t, url)
			execute(t, pool, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET TimeZone = ''`+zone+`''', current_database()); END $$`)
			connect := func() *pgx.Conn {
				connection, err := pgx.Connect(context.Background(), url)
				require.NoError(t, err)
				t.Cleanup(func() { _ = connection.Close(context.Background()) })
				return connection
			}
			old := connect()
			_, err := insertAsVersion3(t.Context(), old, []oldLog{{uuid.New(), user, 12, timeOf("2026-01-31T23:30:00Z")}})
			require.NoError(t, err)
			want := summaryAsVersion3(t, old, user)
			require.Len(t, want, 1)
			require.NoError(t, compare(verifyOfVersion3)(old))
			require.NoError(t, compare(rebuildOfVersion3)(old))
			require.NoError(t, newMigrator(t, pool).Up(t.Context()))
			execute(t, pool, `INSERT INTO learning_log_aggregates VALUES ('`+uuid.NewString()+`', 'day', '2026-01-14', 1, 1)`) // drift
			before := contentOf(t, pool)

			for _, connection := range []*pgx.Conn{old, connect()} {
				for name, try := range map[string]func(*pgx.Conn) error{
					"insert": insert, "verify": compare(verifyOfVersion3), "rebuild": compare(rebuildOfVersion3),
				} {
					for range 2 { // the first error of a statement makes pgx prepare it again
						var refused *pgconn.PgError
						require.ErrorAs(t, try(connection), &refused, name)
						assert.Contains(t, []string{"42804", "42883", "0A000"}, refused.Code, "%s: %s", name, refused.Message)
					}
				}
			}
			assert.Equal(t, before, contentOf(t, pool))

			_, err = readSummaryAsVersion3(old, user)
			require.Error(t, err, "what it had prepared")
			assert.Equal(t, want, summaryAsVersion3(t, old, user), "prepared again")
			assert.Equal(t, want, summaryAsVersion3(t, connect(), user))
		})
	}
}

// readSummaryAsVersion3 returns the days of a user in January 2026 that have a row.
func readSummaryAsVersion3(connection *pgx.Conn, user uuid.UUID) ([]oldSummary, error) {
	rows, err := connection.Query(context.Background(), summaryOfVersion3,
		user, "day", timeOf("2026-01-01T00:00:00Z"), timeOf("2026-01-31T00:00:00Z"))
	if err != nil {
		return nil, err
	}
	summaries, err := pgx.CollectRows(rows, pgx.RowToStructByPos[oldSummary])
	for i := range summaries {
		summaries[i].Period = summaries[i].Period.UTC()
	}
	return summaries, err
}

func summaryAsVersion3(t testing.TB, connection *pgx.Conn, user uuid.UUID) []oldSummary {
	t.Helper()
	summaries, err := readSummaryAsVersion3(connection, user)
	require.NoError(t, err)
	return summaries
}

// everythingInVersion3 returns the arguments of a comparison of all users and periods.
func everythingInVersion3() pgx.NamedArgs {
	arguments := pgx.NamedArgs{
		"zone": "UTC", "first": uuid.Nil, "last": uuid.Max,
		"logs_lower": pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true},
		"logs_upper": pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true},
	}
	for _, granularity := range []string{"day", "week", "month"} {
		arguments[granularity+"_lower"] = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
		arguments[granularity+"_upper"] = pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
		arguments[granularity+"_first"] = pgtype.Timestamp{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
		arguments[granularity+"_end"] = pgtype.Timestamp{InfinityModifier: pgtype.Infinity, Valid: true}
	}
	return arguments
}
