package migrations_test

import (
	"context"
	"database/sql"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/migrations"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// databaseOfVersion returns the address of a new database whose tables have a version.
func databaseOfVersion(t testing.TB, version uint) string {
	t.Helper()
	url := pgtest.EmptyURL(t)
	files, err := iofs.New(migrations.FS, ".")
	require.NoError(t, err)
	connections, err := sql.Open("pgx/v5", url)
	require.NoError(t, err)
	driver, err := migratepgx.WithInstance(connections, &migratepgx.Config{MigrationsTable: "learninglog_schema_migrations"})
	require.NoError(t, err)
	migrator, err := migrate.NewWithInstance("files", files, "postgres", driver)
	require.NoError(t, err)
	require.NoError(t, migrator.Migrate(version))
	sourceErr, databaseErr := migrator.Close()
	require.NoError(t, sourceErr)
	require.NoError(t, databaseErr)
	return url
}

// newest is the version of the newest migration.
const newest = 8

// newMigrator returns a migrator of this version.
func newMigrator(t testing.TB, pool *pgxpool.Pool) *postgres.Migrator {
	t.Helper()
	migrator, err := postgres.NewMigrator(pool, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return migrator
}

func execute(t testing.TB, pool *pgxpool.Pool, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := pool.Exec(context.Background(), statement)
		require.NoError(t, err, statement)
	}
}

// lines returns the rows of a query that has one column of text.
func lines(t testing.TB, pool *pgxpool.Pool, query string) []string {
	t.Helper()
	// The types of the columns change under the feet of prepared statements.
	rows, err := pool.Query(context.Background(), query, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return found
}

// content is all logs and all rollups of a database, in a form that is the same in all
// versions.
type content struct{ logs, rollups []string }

func contentOf(t testing.TB, pool *pgxpool.Pool) content {
	t.Helper()
	return content{
		logs: lines(t, pool, `
			SELECT format('%s %s %s %s %s', request_id, user_id, word_count,
			              "timestamp" AT TIME ZONE 'UTC', recorded_at AT TIME ZONE 'UTC')
			FROM learning_log ORDER BY request_id`),
		rollups: lines(t, pool, `
			SELECT format('%s %s %s %s %s', user_id, granularity, period AT TIME ZONE 'UTC',
			              total_word_count, entry_count)
			FROM (SELECT user_id, granularity, `+instantOf(t, pool)+` AS period, total_word_count, entry_count
			      FROM learning_log_aggregates) AS rollups
			ORDER BY 1`),
	}
}

// instantOf returns an expression for the beginning of a period in UTC.
func instantOf(t testing.TB, pool *pgxpool.Pool) string {
	t.Helper()
	isDate := lines(t, pool, `SELECT (atttypid = 'date'::regtype)::text FROM pg_attribute
		WHERE attrelid = 'learning_log_aggregates'::regclass AND attname = 'period'`)
	if isDate[0] == "true" {
		return "period::timestamp AT TIME ZONE 'UTC'"
	}
	return "period"
}

// schemaOf returns a line for every column, index, constraint, type, function and
// trigger of ours in a database.
func schemaOf(t testing.TB, pool *pgxpool.Pool) []string {
	t.Helper()
	return lines(t, pool, `
		SELECT format('column %s.%s %s%s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod),
		              CASE WHEN attnotnull THEN ' NOT NULL' END, pg_get_expr(adbin, adrelid))
		FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
		WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r')
		  AND attnum > 0 AND NOT attisdropped
		UNION ALL
		SELECT CASE WHEN NOT indisvalid THEN 'invalid: ' ELSE '' END || pg_get_indexdef(indexrelid)
		FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relnamespace = 'public'::regnamespace
		UNION ALL
		SELECT format('constraint %s of %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
		FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL
		SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
		UNION ALL
		SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
		UNION ALL
		SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
		ORDER BY 1`)
}

// withoutVersions leaves out the table of versions, which golang-migrate keeps.
func withoutVersions(schema []string) []string {
	return slices.DeleteFunc(schema, func(line string) bool {
		return strings.Contains(line, "learninglog_schema_migrations")
	})
}

// oldLog is a log as version 3 knew it.
type oldLog struct {
	requestID, userID uuid.UUID
	wordCount         int
	timestamp         time.Time
}

// fillAsVersion3 records logs in a database of version 3, by its own statement: of some
// users, around the ends of periods, and of the first and the last possible instant.
func fillAsVersion3(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	random := rand.New(rand.NewPCG(4, 0))
	begin := time.Date(2023, time.December, 31, 0, 0, 0, 0, time.UTC)
	users := []uuid.UUID{uuid.Nil, uuid.New(), uuid.New(), uuid.Max}
	var logs []oldLog
	add := func(at time.Time) {
		logs = append(logs, oldLog{uuid.New(), users[random.IntN(len(users))], random.IntN(50), at})
	}
	for day := range 70 {
		midnight := begin.AddDate(0, 0, day)
		add(midnight)
		add(midnight.Add(-time.Microsecond))
		add(midnight.Add(time.Duration(random.Int64N(int64(24 * time.Hour)))))
	}
	add(time.Date(1, time.January, 1, 0, 0, 0, 0, time.UTC))
	add(time.Date(9998, time.December, 31, 23, 59, 59, 999_999_000, time.UTC))
	recorded, err := insertAsVersion3(t.Context(), pool, logs)
	require.NoError(t, err)
	require.Equal(t, len(logs), recorded)
}

// oldSummary is a row of a summary as version 3 read it.
type oldSummary struct {
	Period         time.Time
	Words, Entries int64
}

func timeOf(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return at
}

// querier is a connection or a pool.
type querier interface {
	Query(ctx context.Context, query string, arguments ...any) (pgx.Rows, error)
}

func insertAsVersion3(ctx context.Context, database querier, logs []oldLog) (recorded int, err error) {
	var (
		requestIDs, userIDs []uuid.UUID
		wordCounts          []int
		timestamps          []time.Time
	)
	for _, log := range logs {
		requestIDs, userIDs = append(requestIDs, log.requestID), append(userIDs, log.userID)
		wordCounts, timestamps = append(wordCounts, log.wordCount), append(timestamps, log.timestamp)
	}
	rows, err := database.Query(ctx, insertOfVersion3, requestIDs, userIDs, wordCounts, timestamps, "UTC")
	if err != nil {
		return 0, err
	}
	for rows.Next() {
		recorded++
	}
	return recorded, rows.Err()
}
