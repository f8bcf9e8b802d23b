package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// preparation returns the statements of the script that docs/operations.md shows for
// large databases.
func preparation(t testing.TB) []string {
	t.Helper()
	document, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(document), "\n## Upgrading a large database\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	script := regexp.MustCompile("(?s)```sql\n(.*?)```").FindStringSubmatch(section)
	require.NotNil(t, script)
	return strings.Split(strings.TrimSpace(script[1]), "\n\n")
}

// givingUp returns the statement of the same section that removes what was prepared.
func givingUp(t testing.TB) string {
	t.Helper()
	document, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	statement := regexp.MustCompile(`psql "\$DATABASE_URL" -c '(DROP FUNCTION learning_log_aggregates_prepare[^']*)'`).
		FindStringSubmatch(string(document))
	require.NotNil(t, statement)
	return statement[1]
}

// run runs statements as psql does, one after the other.
func run(t testing.TB, url string, statements []string) error {
	t.Helper()
	connection, err := pgx.Connect(context.Background(), url)
	require.NoError(t, err)
	defer func() { _ = connection.Close(context.Background()) }()
	for _, statement := range statements {
		if _, err := connection.PgConn().Exec(context.Background(), statement).ReadAll(); err != nil {
			return fmt.Errorf("%w: %s", err, statement)
		}
	}
	return nil
}

// copying returns the index of the statement that copies the old rows.
func copying(t testing.TB, statements []string) int {
	t.Helper()
	i := slices.IndexFunc(statements, func(statement string) bool { return strings.Contains(statement, "FOR SHARE") })
	require.Positive(t, i)
	return i
}

func TestTheMigrationTakesOverWhatWasPrepared(t *testing.T) {
	t.Parallel()
	url := databaseOfVersion(t, 3)
	pool := pgtest.Open(t, url)
	fillAsVersion3(t, pool)
	execute(t, pool, `INSERT INTO learning_log_aggregates
		SELECT user_id, granularity, period + interval '1 hour', 99, 1 FROM learning_log_aggregates LIMIT 9`) // drift
	require.NoError(t, run(t, url, preparation(t)))
	fillAsVersion3(t, pool) // by a process of the old version, which goes on
	execute(t, pool, `DELETE FROM learning_log_aggregates WHERE period <> date_trunc('day', period, 'UTC')`)
	before := contentOf(t, pool)
	prepared := lines(t, pool, `SELECT 'learning_log_aggregates_prepared'::regclass::oid::text`)

	require.NoError(t, newMigrator(t, pool).Up(t.Context()))

	assert.Equal(t, prepared, lines(t, pool, `SELECT 'learning_log_aggregates'::regclass::oid::text`), "it is that table")
	assert.Equal(t, before, contentOf(t, pool))
	assert.Empty(t, pgtest.Drift(t, pool))
	assert.Equal(t, schemaOf(t, pgtest.Open(t, databaseOfVersion(t, newest))), schemaOf(t, pool), "nothing else is left")
}

func TestPreparingFromAnyOlderVersion(t *testing.T) {
	t.Parallel()
	for _, version := range []uint{1, 2} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			url := databaseOfVersion(t, version)
			pool := pgtest.Open(t, url)
			fillAsVersion3(t, pool)
			before := contentOf(t, pool)
			require.NoError(t, run(t, url, preparation(t)))

			require.NoError(t, newMigrator(t, pool).Up(t.Context()))

			assert.Equal(t, before, contentOf(t, pool))
			assert.Equal(t, schemaOf(t, pgtest.Open(t, databaseOfVersion(t, newest))), schemaOf(t, pool))
		})
	}
}

func TestPreparingTwiceIsLikeOnce(t *testing.T) {
	t.Parallel()
	url := databaseOfVersion(t, 3)
	pool := pgtest.Open(t, url)
	fillAsVersion3(t, pool)
	before := contentOf(t, pool)
	statements := preparation(t)
	require.NoError(t, run(t, url, statements[:copying(t, statements)]), "interrupted")

	require.NoError(t, run(t, url, statements))
	require.NoError(t, run(t, url, statements))

	require.NoError(t, newMigrator(t, pool).Up(t.Context()))
	assert.Equal(t, before, contentOf(t, pool))
}

// Else the rollups that were not copied would be lost. The old version goes on.
func TestTheMigrationRefusesWhatIsNotCompletelyPrepared(t *testing.T) {
	t.Parallel()
	statements := preparation(t)
	for name, prepare := range map[string][]string{
		"not copied":        statements[:copying(t, statements)],
		"not compared":      statements[:len(statements)-1],
		"without a trigger": append(slices.Clone(statements), `DROP TRIGGER learning_log_aggregates_prepare ON learning_log_aggregates`),
		"a trigger is off":  append(slices.Clone(statements), `ALTER TABLE learning_log_aggregates DISABLE TRIGGER learning_log_aggregates_prepare_truncate`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := databaseOfVersion(t, 3)
			pool := pgtest.Open(t, url)
			fillAsVersion3(t, pool)
			before, schema := contentOf(t, pool), schemaOf(t, pool)
			require.NoError(t, run(t, url, prepare))
			migrator := newMigrator(t, pool)

			err := migrator.Up(t.Context())

			require.ErrorContains(t, err, "learning_log_aggregates_prepared is not complete")
			versions, err := migrator.Versions(t.Context())
			require.NoError(t, err)
			assert.Equal(t, 3, versions.Schema)
			assert.False(t, versions.Interrupted, "processes of the old version are ready")
			assert.Equal(t, before, contentOf(t, pool))
			fillAsVersion3(t, pool)

			execute(t, pool, givingUp(t))
			assert.NotEqual(t, schema, schemaOf(t, pool), "the columns and indexes stay, and do no harm")
			before = contentOf(t, pool)
			require.NoError(t, migrator.Up(t.Context()))
			assert.Equal(t, before, contentOf(t, pool))
		})
	}
}

// The comparison at the end finds what the triggers have missed while they were off.
func TestPreparingFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"a new row":     `INSERT INTO learning_log_aggregates VALUES (gen_random_uuid(), 'day', '2026-01-14Z', 1, 1)`,
		"changed sums":  `UPDATE learning_log_aggregates SET total_word_count = total_word_count + 1`,
		"a deleted row": `DELETE FROM learning_log_aggregates WHERE granularity = 'week'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := databaseOfVersion(t, 3)
			pool := pgtest.Open(t, url)
			fillAsVersion3(t, pool)
			statements := preparation(t)
			last := len(statements) - 1
			require.NoError(t, run(t, url, statements[:last]))
			execute(t, pool, `ALTER TABLE learning_log_aggregates DISABLE TRIGGER USER`, change,
				`ALTER TABLE learning_log_aggregates ENABLE TRIGGER USER`)

			require.ErrorContains(t, run(t, url, statements[last:]), "learning_log_aggregates_prepared differs")

			execute(t, pool, givingUp(t))
			require.NoError(t, run(t, url, statements))
			before := contentOf(t, pool)
			require.NoError(t, newMigrator(t, pool).Up(t.Context()))
			assert.Equal(t, before, contentOf(t, pool))
		})
	}
}

func TestPreparingFindsAnInvalidIndex(t *testing.T) {
	t.Parallel()
	url := databaseOfVersion(t, 3)
	pool := pgtest.Open(t, url)
	fillAsVersion3(t, pool)
	_, err := pool.Exec(t.Context(), `CREATE UNIQUE INDEX CONCURRENTLY learning_log_voided_idx ON learning_log ((1))`)
	require.ErrorContains(t, err, "could not create unique index")

	require.ErrorContains(t, run(t, url, preparation(t)), "invalid: learning_log_voided_idx")

	execute(t, pool, `DROP INDEX CONCURRENTLY learning_log_voided_idx`)
	require.NoError(t, run(t, url, preparation(t)))
}

func TestThereIsNothingToPrepareAfterTheMigration(t *testing.T) {
	t.Parallel()
	url := databaseOfVersion(t, 4)
	pool := pgtest.Open(t, url)
	before := schemaOf(t, pool)

	require.ErrorContains(t, run(t, url, preparation(t)), "there is nothing to prepare")

	assert.Equal(t, before, schemaOf(t, pool))
}

func TestRemovingTheTablesRemovesWhatWasPrepared(t *testing.T) {
	t.Parallel()
	url := databaseOfVersion(t, 3)
	pool := pgtest.Open(t, url)
	fillAsVersion3(t, pool)
	require.NoError(t, run(t, url, preparation(t)))

	require.NoError(t, newMigrator(t, pool).Down(t.Context()))

	assert.Empty(t, withoutVersions(schemaOf(t, pool)))
}

// Every change of a row is copied, whatever it is.
func TestTheTriggersCopyEveryChange(t *testing.T) {
	t.Parallel()
	url := databaseOfVersion(t, 3)
	pool := pgtest.Open(t, url)
	fillAsVersion3(t, pool)
	statements := preparation(t)
	require.NoError(t, run(t, url, statements))
	for _, change := range []string{
		`UPDATE learning_log_aggregates SET total_word_count = total_word_count * 2 WHERE granularity = 'day'`,
		`DELETE FROM learning_log_aggregates WHERE granularity = 'month' AND entry_count % 2 = 0`,
		`INSERT INTO learning_log_aggregates SELECT gen_random_uuid(), granularity, period, 5, 1 FROM learning_log_aggregates`,
		`UPDATE learning_log_aggregates SET period = period - interval '1000 years' WHERE granularity = 'week' AND period > '2000-01-01Z'`,
		`UPDATE learning_log_aggregates SET period = period + interval '1 hour' WHERE entry_count > 2`,
		`UPDATE learning_log_aggregates SET period = period - interval '1 hour' WHERE entry_count > 2 AND granularity = 'day'`,
		`DELETE FROM learning_log_aggregates WHERE period <> date_trunc('day', period, 'UTC')`,
		`WITH gone AS (DELETE FROM learning_log_aggregates WHERE granularity = 'day' RETURNING *)
		 INSERT INTO learning_log_aggregates SELECT gen_random_uuid(), granularity, period, 3, 3 FROM gone`,
		`TRUNCATE learning_log_aggregates`,
		`INSERT INTO learning_log_aggregates VALUES (gen_random_uuid(), 'day', '2026-01-14Z', 1, 1)`,
	} {
		execute(t, pool, change)
		require.NoError(t, run(t, url, statements[len(statements)-1:]), "the comparison after: %s", change)
	}
}

// A transaction has changed or deleted a row, but has not committed it when the row's
// turn comes. Copying the row as it was before would be wrong.
func TestCopyingWaitsForRowsThatAreBeingChanged(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"changed": `UPDATE learning_log_aggregates SET total_word_count = 4711 WHERE granularity = 'month'`,
		"deleted": `DELETE FROM learning_log_aggregates WHERE granularity = 'month'`,
		"changed and deleted": `WITH changed AS (UPDATE learning_log_aggregates SET total_word_count = 0 WHERE granularity = 'month')
			SELECT; DELETE FROM learning_log_aggregates WHERE granularity = 'month'`,
		"moved": `UPDATE learning_log_aggregates SET user_id = gen_random_uuid() WHERE granularity = 'month'`,
	} {
		for _, end := range []string{"COMMIT", "ROLLBACK"} {
			t.Run(name+", "+end, func(t *testing.T) {
				t.Parallel()
				url := databaseOfVersion(t, 3)
				pool := pgtest.Open(t, url)
				fillAsVersion3(t, pool)
				statements := preparation(t)
				i := copying(t, statements)
				require.NoError(t, run(t, url, statements[:i]))
				writer, err := pgx.Connect(t.Context(), url)
				require.NoError(t, err)
				t.Cleanup(func() { _ = writer.Close(context.Background()) })
				_, err = writer.PgConn().Exec(t.Context(), "BEGIN; "+change).ReadAll()
				require.NoError(t, err)

				done := make(chan error, 1)
				go func() { done <- run(t, url, statements[i:]) }()
				waitForLock(t, pool)
				_, err = writer.Exec(t.Context(), end)
				require.NoError(t, err)

				require.NoError(t, <-done)
				before := contentOf(t, pool)
				require.NoError(t, newMigrator(t, pool).Up(t.Context()))
				assert.Equal(t, before, contentOf(t, pool))
			})
		}
	}
}

// waitForLock waits until a statement in the database waits for a lock.
func waitForLock(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	require.Eventually(t, func() bool {
		var waiting bool
		err := pool.QueryRow(context.Background(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waiting)
		return err == nil && waiting
	}, time.Minute, 5*time.Millisecond, "nobody waits")
}

// Processes of the old version write all the time, while the script runs and until the
// migration stops them. What they were told is recorded is recorded and counted, and
// nothing else.
func TestPreparingWhileOthersWrite(t *testing.T) {
	t.Parallel()
	url := databaseOfVersion(t, 3)
	pool := pgtest.Open(t, url)
	users := manyLogs(t, pool)
	w := startWriters(t, url, users)
	w.awaitMore(t)

	require.NoError(t, run(t, url, preparation(t)))
	w.awaitMore(t)
	require.NoError(t, newMigrator(t, pool).Up(t.Context()))

	w.awaitRefused(t)
	assert.Equal(t, []int64{w.recorded.Load()},
		integers(t, pool, `SELECT count(*) FROM learning_log WHERE word_count = 1`), "acknowledged, and nothing else")
	assert.Empty(t, pgtest.Drift(t, pool))
	assert.Equal(t, schemaOf(t, pgtest.Open(t, databaseOfVersion(t, newest))), schemaOf(t, pool))
}

func TestMigratingWhileOthersWrite(t *testing.T) {
	t.Parallel()
	url := databaseOfVersion(t, 3)
	pool := pgtest.Open(t, url)
	users := manyLogs(t, pool)
	w := startWriters(t, url, users)
	w.awaitMore(t)

	require.NoError(t, newMigrator(t, pool).Up(t.Context()))

	w.awaitRefused(t)
	assert.Equal(t, []int64{w.recorded.Load()},
		integers(t, pool, `SELECT count(*) FROM learning_log WHERE word_count = 1`), "acknowledged, and nothing else")
	assert.Empty(t, pgtest.Drift(t, pool))
}

// manyLogs records so many logs that their rollups are several batches of the script. It
// returns some of their users.
func manyLogs(t testing.TB, pool *pgxpool.Pool) (users []uuid.UUID) {
	t.Helper()
	execute(t, pool, `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), gen_random_uuid(), 7, '2026-01-01Z'::timestamptz + n * interval '3 minutes'
		FROM generate_series(1, 20000) AS n`, `
		INSERT INTO learning_log_aggregates
		SELECT user_id, granularity, date_trunc(granularity, "timestamp", 'UTC'), sum(word_count), count(*)
		FROM learning_log CROSS JOIN unnest(ARRAY['day', 'week', 'month']) AS granularity GROUP BY 1, 2, 3`)
	for _, user := range lines(t, pool, `SELECT user_id::text FROM learning_log LIMIT 200`) {
		users = append(users, uuid.MustParse(user))
	}
	return users
}

// writers are processes of version 3: some record logs of one word, and one makes rows
// of nothing and sweeps them, as a rebuild does. Each goes on until it is refused.
type writers struct {
	recorded atomic.Int64
	swept    atomic.Int64
	done     chan struct{}
	mu       sync.Mutex
	refused  []string
	failed   []error
}

func startWriters(t testing.TB, url string, users []uuid.UUID) *writers {
	t.Helper()
	w := &writers{done: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	start := func(write func(*pgx.Conn) error) {
		connection, err := pgx.Connect(ctx, url)
		require.NoError(t, err)
		running.Go(func() {
			defer func() { _ = connection.Close(context.Background()) }()
			for ctx.Err() == nil {
				if err := write(connection); err != nil {
					w.note(err)
					return
				}
			}
		})
	}
	for range 3 {
		start(func(connection *pgx.Conn) error { return w.record(ctx, connection, users) })
	}
	start(func(connection *pgx.Conn) error { return w.sweep(ctx, connection, users) })
	go func() { running.Wait(); close(w.done) }()
	t.Cleanup(func() { stop(); <-w.done })
	return w
}

func (w *writers) record(ctx context.Context, connection *pgx.Conn, users []uuid.UUID) error {
	logs := make([]oldLog, 20)
	for i := range logs {
		at := timeOf("2026-01-01T00:00:00Z").Add(rand.N(60 * 24 * time.Hour))
		logs[i] = oldLog{uuid.New(), users[rand.IntN(len(users))], 1, at}
	}
	n, err := insertAsVersion3(ctx, connection, logs)
	if err == nil {
		w.recorded.Add(int64(n))
	}
	return err
}

func (w *writers) sweep(ctx context.Context, connection *pgx.Conn, users []uuid.UUID) error {
	const empty = `INSERT INTO learning_log_aggregates SELECT unnest($1::uuid[]), 'day', '2025-12-24Z', 0, 0 ORDER BY 1`
	const sweep = `
		DELETE FROM learning_log_aggregates
		WHERE (user_id, granularity, period) IN (
		    SELECT user_id, granularity, period FROM learning_log_aggregates
		    WHERE user_id = ANY($1) AND total_word_count = 0 AND entry_count = 0
		    FOR UPDATE SKIP LOCKED
		)`
	for _, statement := range []string{empty, sweep} {
		if _, err := connection.Exec(ctx, statement, users); err != nil {
			return err
		}
	}
	w.swept.Add(1)
	return nil
}

func (w *writers) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && (refused.Code == "42804" || refused.Code == "42883") {
		w.refused = append(w.refused, refused.Message)
		return
	}
	w.failed = append(w.failed, err)
}

// awaitMore waits until every kind of writer has written some more.
func (w *writers) awaitMore(t testing.TB) {
	t.Helper()
	recorded, swept := w.recorded.Load(), w.swept.Load()
	require.Eventually(t, func() bool {
		return w.recorded.Load() > recorded+200 && w.swept.Load() > swept+2
	}, time.Minute, 5*time.Millisecond, "the writers don't go on")
}

// awaitRefused waits until every writer of logs is refused.
func (w *writers) awaitRefused(t testing.TB) {
	t.Helper()
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.refused) >= 3
	}, time.Minute, 5*time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Empty(t, w.failed)
}

func integers(t testing.TB, pool *pgxpool.Pool, query string) []int64 {
	t.Helper()
	rows, err := pool.Query(context.Background(), query)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(t, err)
	return found
}
