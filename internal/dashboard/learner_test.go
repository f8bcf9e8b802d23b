package dashboard_test

import (
	"context"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/audit"
	"learninglog/internal/dashboard"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/internal/problem"
	"learninglog/query"
	"learninglog/rollup"
)

// post records a log of a learner whose clock showed a time with an offset, and returns
// its request id.
func post(t *testing.T, pool *pgxpool.Pool, user uuid.UUID, words int, shown string) uuid.UUID {
	t.Helper()
	at, err := time.Parse(time.RFC3339, shown)
	require.NoError(t, err)
	log := command.Log{RequestID: uuid.New(), UserID: user, WordCount: words, Timestamp: at, Zone: at.Location()}
	outcomes := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}).Record(context.Background(), []command.Log{log})
	require.Equal(t, command.Recorded, outcomes[0].Status, "%v", outcomes[0])
	return log.RequestID
}

// site serves the start page and learners' pages, of a service that is in a zone.
func site(t *testing.T, pool *pgxpool.Pool, zone *time.Location) http.Handler {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	pages, err := dashboard.New(dashboard.Config{
		Reader:         query.NewReader(pool, zone),
		Recorder:       command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}),
		Trail:          audit.New(pool, logger),
		Zone:           zone,
		Problems:       problem.NewTable(postgres.Unavailable, func() time.Duration { return time.Second }, logger),
		RequestTimeout: time.Minute,
		Logger:         logger,
	})
	require.NoError(t, err)
	router := chi.NewRouter()
	router.Method(http.MethodGet, "/", pages.Start)
	router.Method(http.MethodGet, "/users", pages.FindUser)
	router.Method(http.MethodGet, "/users/{user_id}", pages.Learner)
	router.Method(http.MethodPost, "/users/{user_id}/learning-logs/{request_id}/void", pages.Void)
	return router
}

func page(t *testing.T, site http.Handler, user uuid.UUID, parameters string) string {
	t.Helper()
	answer := httptest.NewRecorder()
	site.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/users/"+user.String()+parameters, nil))
	require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	return html.UnescapeString(answer.Body.String())
}

// The offset is named where it isn't that of the learner's clock now, so that no time is
// ambiguous.
func TestLogsAreListedByTheTimesOfTheLearnersClock(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	post(t, pool, user, 1, "2026-03-04T21:00:00-08:00") // in UTC it was 5 March
	post(t, pool, user, 2, "2026-03-05T23:59:59+05:45")
	post(t, pool, user, 3, "2026-03-07T07:00:00+09:00") // in UTC it was 6 March
	site := site(t, pool, time.UTC)

	shown := page(t, site, user, "?from=2026-03-04&to=2026-03-07")
	assert.Regexp(t, `<span title="4 March 2026, 21:00:00">[^<]+:\d\d -08:00</span>`, shown)
	assert.Regexp(t, `<span title="5 March 2026, 23:59:59">[^<]+:\d\d \+05:45</span>`, shown)
	assert.Regexp(t, `<span title="7 March 2026, 07:00:00">[^<]+:\d\d</span>`, shown)
	assert.Contains(t, shown, "Days and times are those of the learner's own clock, now UTC+09:00.")
	assert.Contains(t, shown, "Wednesday, 4 March 2026: 1 word in 1 log")
	assert.Contains(t, shown, "Friday, 6 March 2026: no log")
	assert.Contains(t, shown, "Saturday, 7 March 2026: 3 words in 1 log")

	shown = page(t, site, user, "?from=2026-03-05&to=2026-03-06")
	assert.Contains(t, shown, `title="5 March 2026, 23:59:59">`)
	assert.NotContains(t, shown, ", 21:00:00", "a log is listed with the date on which it counts")
	assert.NotContains(t, shown, ", 07:00:00")
}

func TestAPageSaysWhoseClockItShows(t *testing.T) {
	t.Parallel()
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	require.NoError(t, err)
	pool, user := pgtest.Pool(t), uuid.New()
	site := site(t, pool, kolkata)

	assert.Contains(t, page(t, site, user, ""), "clock, now UTC+05:30.", "without a log, that of the service")
	post(t, pool, user, 1, "2026-03-04T21:00:00-03:30")
	assert.Contains(t, page(t, site, user, ""), "clock, now UTC-03:30.")
	post(t, pool, user, 1, "2026-03-05T21:00:00Z")
	assert.Contains(t, page(t, site, user, ""), "clock, now UTC+00:00.")
}

// The dates of these two clocks are never the same.
func TestAPageEndsTodayOnTheLearnersClock(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	site := site(t, pool, time.UTC)
	for _, offset := range []rollup.Offset{rollup.MinOffset, rollup.MaxOffset} {
		user := uuid.New()
		post(t, pool, user, 1, "2026-03-04T12:00:00"+offset.String())
		// The date may change while the page is made.
		earliest := offset.DateAt(time.Now())
		shown := page(t, site, user, "?by=day")
		latest := offset.DateAt(time.Now())

		var ends []string
		for _, today := range []rollup.Date{earliest, latest} {
			ends = append(ends, fmt.Sprintf(`name="to" value="%s"`, today))
		}
		assert.Regexp(t, ends[0]+"|"+ends[1], shown)
	}
}

func TestTheYearIsTheOneOnTheLearnersClock(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	post(t, pool, user, 12, "2025-01-01T00:30:00+14:00") // in UTC it was still 2024
	site := site(t, pool, time.UTC)

	assert.Contains(t, page(t, site, user, "?year=2025"), "12 words on 1 day")
	assert.Contains(t, page(t, site, user, "?year=2024"), "0 words on 0 days")
}

// Browsers take compressed pages, which are cached.
func TestACachedPageIsNotShownAfterTheClockHasChanged(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	post(t, pool, user, 1, "2026-03-04T21:00:00+09:00")
	site := site(t, pool, time.UTC)
	const view = "?from=2026-02-01&to=2026-02-07&year=2025"
	before := tagOf(t, site, user, view)
	require.Equal(t, before, tagOf(t, site, user, view))

	// The log is on the same date, and not in the range, so nothing differs but the clock.
	_, err := pool.Exec(t.Context(), `UPDATE learning_log SET utc_offset = 8 * 60, "timestamp" = "timestamp" + interval '1 hour'`)
	require.NoError(t, err)

	assert.NotEqual(t, before, tagOf(t, site, user, view))
}

// Words that were learned at another hour of the same day change nothing else.
func TestACachedPageIsNotShownAfterTheHoursHaveChanged(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	first := post(t, pool, user, 1, "2026-02-04T07:00:00Z")
	for range 20 { // the list has these, and not the first
		post(t, pool, user, 1, "2026-02-05T07:00:00Z")
	}
	site := site(t, pool, time.UTC)
	const view = "?from=2026-02-01&to=2026-02-07&year=2025"
	before := tagOf(t, site, user, view)
	require.Equal(t, before, tagOf(t, site, user, view))

	_, err := pool.Exec(t.Context(), `UPDATE learning_log SET "timestamp" = "timestamp" + interval '1 hour' WHERE request_id = $1`, first)
	require.NoError(t, err)

	assert.NotEqual(t, before, tagOf(t, site, user, view))
}

// tagOf returns the tag of a compressed page, which is cached.
func tagOf(t *testing.T, site http.Handler, user uuid.UUID, parameters string) string {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/users/"+user.String()+parameters, nil)
	request.Header.Set("Accept-Encoding", "gzip")
	answer := httptest.NewRecorder()
	site.ServeHTTP(answer, request)
	require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	return answer.Header().Get("ETag")
}

func TestThePageSaysOfHowManyLogsTheHoursAre(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	logs := make([]command.Log, query.MaxHoursLogs+1)
	for i := range logs {
		logs[i] = command.Log{RequestID: uuid.New(), UserID: user, WordCount: 1, Timestamp: time.Date(2026, 3, 4, 7, 0, i, 0, time.UTC)}
	}
	command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}).Record(t.Context(), logs[1:])
	site := site(t, pool, time.UTC)
	const view, bounded = "?from=2026-03-04&to=2026-03-04", "of the latest 500 logs"
	assert.NotContains(t, page(t, site, user, view), bounded)

	command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}).Record(t.Context(), logs[:1])

	shown := page(t, site, user, view)
	assert.Contains(t, shown, "Wednesday, 4 March 2026, "+bounded)
	assert.Contains(t, shown, `aria-label="Words per hour of the day, `+bounded+": 500 words in 500 logs, the most from 07:00 to 08:00")
}

func TestAPageComparesWithTheDaysThatTheAPIComparesWith(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	post(t, pool, user, 10, "2026-01-05T08:00:00+00:00")
	post(t, pool, user, 20, "2026-01-12T08:00:00+00:00")

	shown := page(t, site(t, pool, time.UTC), user, "?from=2026-01-12&to=2026-01-14")

	assert.Contains(t, shown, "against 5 January 2026 to 7 January 2026", "the same days of the week before")
}

// One learner's corrupt rows keep neither the start page from everybody nor other
// learners' pages from them.
func TestASumThatIsTooLargeIsLeftOutOfTheStartPage(t *testing.T) {
	t.Parallel()
	pool, user, other := pgtest.Pool(t), uuid.New(), uuid.New()
	now := time.Now().UTC()
	for _, at := range []time.Time{now, now.AddDate(0, 0, -1)} {
		post(t, pool, user, 1, at.Format(time.RFC3339))
	}
	post(t, pool, other, 1, now.Format(time.RFC3339))
	_, err := pool.Exec(t.Context(), `UPDATE learning_log_aggregates SET total_word_count = 9223372036854775807 WHERE user_id = $1`, user)
	require.NoError(t, err)
	pages := site(t, pool, time.UTC)
	get := func(path string) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		pages.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return answer
	}

	start := get("/")
	assert.Equal(t, http.StatusOK, start.Code)
	assert.Contains(t, start.Body.String(), "too much to add up")
	assert.Equal(t, http.StatusOK, get("/users/"+other.String()).Code)
	corrupt := get("/users/" + user.String())
	assert.Equal(t, http.StatusUnprocessableEntity, corrupt.Code)
	assert.Contains(t, corrupt.Body.String(), "learninglog rebuild")
}

// A client that has closed its half of the connection still reads.
func TestAPageOfACancelledRequestSaysSo(t *testing.T) {
	t.Parallel()
	site := site(t, pgtest.Pool(t), time.UTC)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	answer := httptest.NewRecorder()
	site.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, "/users/"+uuid.NewString(), nil))
	assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
	assert.Contains(t, answer.Body.String(), "The request was cancelled.")
}

// What can't be read isn't left out, as if the address didn't have it.
func TestAnAddressThatCannotBeReadIsWrong(t *testing.T) {
	t.Parallel()
	site := site(t, pgtest.Pool(t), time.UTC)
	for _, parameters := range []string{"?from=%zz", "?from=2026-11-01;to=2026-11-30", "?%"} {
		answer := httptest.NewRecorder()
		site.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/users/"+uuid.NewString()+parameters, nil))
		assert.Equal(t, http.StatusUnprocessableEntity, answer.Code, parameters)
		assert.Contains(t, answer.Body.String(), "This address isn&#39;t right", parameters)
	}
}
