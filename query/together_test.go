package query_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/query"
	"learninglog/rollup"
)

// somebody are users of all kinds, with the logs that they have.
func somebody(t *testing.T, pool *pgxpool.Pool) map[string]uuid.UUID {
	t.Helper()
	users := make(map[string]uuid.UUID)
	for _, kind := range []string{"nothing", "logs", "settings", "all is voided", "east", "west", "many"} {
		users[kind] = uuid.New()
	}
	_, err := pool.Exec(t.Context(), `
		INSERT INTO learning_log_settings (user_id, display_name, goal_words, goal_per, freeze_days)
		VALUES ($1, 'Aiko', 70, 'week', 2), ($2, NULL, NULL, NULL, 1)`, users["settings"], users["logs"])
	require.NoError(t, err)
	for _, shown := range []string{"2026-11-20T07:00:00Z", "2026-11-20T23:59:00Z", "2026-11-22T07:30:00Z"} {
		post(t, pool, users["logs"], 5, shown)
		void(t, pool, users["logs"], post(t, pool, users["logs"], 9, shown))
	}
	void(t, pool, users["all is voided"], post(t, pool, users["all is voided"], 9, "2026-11-20T07:00:00+09:00"))
	post(t, pool, users["east"], 3, "2026-11-22T00:30:00+14:00")
	post(t, pool, users["west"], 4, "2026-11-21T23:30:00-11:00")
	for i := range 12 {
		post(t, pool, users["many"], i, fmt.Sprintf("2026-11-%02dT08:00:00+05:45", 10+i))
	}
	return users
}

func TestWhatIsKnownOfALearnerIsWhatIsKnownOneByOne(t *testing.T) {
	t.Parallel()
	ctx, pool, now := context.Background(), pgtest.Pool(t), instant("2026-11-22T10:30:00Z")
	reader := query.NewReader(pool, zone(t, "Asia/Tokyo"))
	for kind, user := range somebody(t, pool) {
		clock, err := reader.Clock(ctx, user, now)
		require.NoError(t, err)
		settings, err := reader.Settings(ctx, user)
		require.NoError(t, err)
		days, err := reader.Days(ctx, user)
		require.NoError(t, err)

		known, err := reader.Learner(ctx, user, now)

		require.NoError(t, err)
		assert.Equal(t, query.Learner{Clock: clock, Settings: settings, Days: days}, known, kind)
	}
}

func TestASumThatDoesNotFitIsAnErrorOfALearner(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	_, err := pool.Exec(t.Context(), `ALTER TABLE learning_log_aggregates ALTER COLUMN total_word_count DROP NOT NULL`)
	require.NoError(t, err)
	corrupt(t, pool, user, "total_word_count", "NULL")

	_, err = newReader(pool).Learner(t.Context(), user, time.Now())

	assert.ErrorIs(t, err, query.ErrSumTooLarge)
}

func TestHoursAndLogsAreThoseReadOneByOne(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), pgtest.Pool(t)
	reader := newReader(pool).WithHorizon(purged{instant("2026-11-20T12:00:00Z")})
	users := somebody(t, pool)
	for kind, user := range users {
		for _, withVoided := range []bool{false, true} {
			for _, from := range []string{"2026-11-20", "2026-11-21", "2026-11-22"} {
				request := query.LogsRequest{
					UserID: user, From: new(date(from)), To: new(date("2026-11-22")), WithVoided: withVoided, Limit: 2,
				}
				for pages := 0; ; pages++ {
					name := fmt.Sprintf("%s, from %s, with voided: %t, page %d", kind, from, withVoided, pages)
					wantHours, err := reader.Hours(ctx, user, *request.From, *request.To)
					require.NoError(t, err)
					wantPage, err := reader.Logs(ctx, request)
					require.NoError(t, err)

					hours, page, err := reader.HoursAndLogs(ctx, request)

					require.NoError(t, err)
					assert.Equal(t, wantHours, hours, name)
					assert.Equal(t, wantPage, page, name)
					if request.After = page.Next; request.After == nil {
						break
					}
				}
			}
		}
	}
	_, _, err := reader.HoursAndLogs(ctx, query.LogsRequest{
		UserID: users["logs"], From: new(date("2026-11-22")), To: new(date("2026-11-21")), Limit: 2,
	})
	assert.ErrorIs(t, err, rollup.ErrEmptyRange)
}

// purged is a horizon before which all logs were purged.
type purged struct{ before time.Time }

func (p purged) PurgedBefore() time.Time { return p.before }

// A generic plan expects few logs, and would sort all logs of a user who has many.
func TestTheListOfLogsBesideHoursIsPlannedEachTime(t *testing.T) {
	t.Parallel()
	if pgtest.Distributed() {
		t.Skip("the plans are those of the nodes")
	}
	ctx, user := context.Background(), uuid.New()
	pool := openOne(t, pgtest.URL(t))
	for user, logs := range map[uuid.UUID]int{user: 20_000, uuid.New(): 20_000} {
		addLogs(t, pool, user, fmt.Sprintf(`
			SELECT 1 AS words, '2026-01-01T12:00:00Z'::timestamptz + n * interval '1 minute' AS "timestamp", 0 AS utc_offset
			FROM generate_series(1, %d) AS n`, logs))
	}
	pgtest.VacuumLogs(t, pool)
	reader := newReader(pool)
	const times = 10 // more than the custom plans that PostgreSQL makes before a generic one

	for range times {
		_, page, err := reader.HoursAndLogs(ctx, query.LogsRequest{
			UserID: user, From: new(date("2026-01-01")), To: new(date("2026-12-31")), Limit: 20,
		})
		require.NoError(t, err)
		require.Len(t, page.Logs, 20)
	}

	var generic, custom int
	err := pool.QueryRow(ctx, `
		SELECT generic_plans, custom_plans FROM pg_prepared_statements
		WHERE statement LIKE '%ORDER BY "timestamp" DESC, request_id DESC%'`).Scan(&generic, &custom)
	require.NoError(t, err)
	assert.Equal(t, [2]int{0, times}, [2]int{generic, custom})
	var mode string
	require.NoError(t, pool.QueryRow(ctx, `SHOW plan_cache_mode`).Scan(&mode))
	assert.Equal(t, "auto", mode, "for what is read next by the connection")
}

// openOne returns a pool of one connection.
func openOne(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	config := pgtest.Open(t, url).Config()
	config.MinConns, config.MaxConns = 0, 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}
