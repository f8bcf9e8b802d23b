package api

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/problem"
	"learninglog/query"
	"learninglog/rollup"
)

func TestWrongParametersOfASummaryAreNamed(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, errAway)
	for _, test := range []struct {
		query string
		want  []problem.Field // without their messages
	}{
		{"nonsense=1", []problem.Field{{Location: "query.nonsense"}}},
		{"Granularity=day", []problem.Field{{Location: "query.Granularity"}}},
		{"granularity=hour", []problem.Field{{Location: "query.granularity", Value: "hour"}}},
		{"compare=maybe", []problem.Field{{Location: "query.compare", Value: "maybe"}}},
		{"fill=maybe", []problem.Field{{Location: "query.fill", Value: "maybe"}}},
		{"format=xml", []problem.Field{{Location: "query.format", Value: "xml"}}},
		{"from=yesterday", []problem.Field{{Location: "query.from", Value: "yesterday"}}},
		{"to=2026-02-30", []problem.Field{{Location: "query.to", Value: "2026-02-30"}}},
		{"time_zone=EST", []problem.Field{{Location: "query.time_zone", Value: "EST"}}},
		{"fill=true&fill=false", []problem.Field{{Location: "query.fill"}}},
		{"format=xml&compare=2&fill=no&granularity=DAY&one=1&other=2", []problem.Field{
			{Location: "query.one"},
			{Location: "query.other"},
			{Location: "query.granularity", Value: "DAY"},
			{Location: "query.compare", Value: "2"},
			{Location: "query.fill", Value: "no"},
			{Location: "query.format", Value: "xml"},
		}},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			answer := serve(handler, method, pathOf(uuid.New(), "/summary?"+test.query), "", nil)

			require.Equal(t, http.StatusUnprocessableEntity, answer.Code, "%s %s: %s", method, test.query, answer.Body)
			fields := problemOf(t, answer).Errors
			for i := range fields {
				assert.NotEmpty(t, fields[i].Message, test.query)
				fields[i].Message = ""
			}
			assert.Equal(t, test.want, fields, test.query)
		}
	}
}

func TestAWrongUserOfASummaryIsNamedWithWrongParameters(t *testing.T) {
	t.Parallel()
	answer := serve(newHandler(t, errAway), http.MethodGet, "/v1/users/me/summary?granularity=hour", "", nil)

	require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
	var locations []string
	for _, field := range problemOf(t, answer).Errors {
		locations = append(locations, field.Location)
	}
	assert.ElementsMatch(t, []string{"path.user_id", "query.granularity"}, locations)
}

func TestAUserOfASummaryMayBePercentEncoded(t *testing.T) {
	t.Parallel()
	const user, encoded = "0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22", "%30b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22"

	assert.Equal(t, user, get[Summary](newService(t, time.UTC), "/v1/users/"+encoded+"/summary").UserID)
}

func TestASummaryUntilTheFirstDatesBeginsWithTheFirst(t *testing.T) {
	t.Parallel()
	service, user := newService(t, time.UTC), uuid.New()
	for _, granularity := range append(rollup.Granularities(), rollup.Year, rollup.Total) {
		target := pathOf(user, "/summary?to=0001-01-01&granularity="+string(granularity))
		summary := get[Summary](service, target)
		assert.Equal(t, "0001-01-01", summary.From.String(), target)
		assert.Equal(t, summary, get[Summary](service, target+"&from="+summary.From.String()))
	}
}

func TestASummaryMayBeAskedForWithEmptyParameters(t *testing.T) {
	t.Parallel()
	service, user := newService(t, time.UTC), uuid.New()
	assert.Equal(t, get[Summary](service, pathOf(user, "/summary")),
		get[Summary](service, pathOf(user, "/summary?granularity=&from=&to=&time_zone=&compare=&fill=&format=")))
}

func TestTheHeadOfASummary(t *testing.T) {
	t.Parallel()
	service := newService(t, time.UTC)
	target := "http://" + newHTTPServer(t, service.handler) + pathOf(uuid.New(), "/summary?from=2026-01-01&to=2026-01-31")
	ask := func(method string) (status int, header http.Header) {
		request, err := http.NewRequestWithContext(t.Context(), method, target, nil)
		require.NoError(t, err)
		request.Host = "example.com"
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode, answer.Header
	}

	status, head := ask(http.MethodHead)
	_, whole := ask(http.MethodGet)

	assert.Equal(t, http.StatusOK, status)
	for _, name := range []string{"Content-Type", "ETag"} {
		assert.NotEmpty(t, head.Get(name), name)
		assert.Equal(t, whole.Get(name), head.Get(name), name)
	}
}

func TestASummaryTakesAPlaceBySize(t *testing.T) {
	t.Parallel()
	type held struct{ small, reads, large int }
	for target, want := range map[string]held{
		"":                               {small: 1},
		"?granularity=year":              {small: 1},
		"?from=2026-01-01&to=2026-04-10": {small: 1}, // 100 days
		"?from=2026-01-01&to=2026-04-11": {reads: 1},
		"?from=2026-01-01&to=2026-02-20&compare=true": {reads: 1}, // twice 51 days
		"?from=2026-01-01&to=2026-02-19&compare=true": {small: 1},
		"?granularity=total":                          {reads: 1},
		"?from=2000-01-01&to=2020-01-01":              {reads: 1, large: 1},
	} {
		pool := &watchedPool{Pool: pgtest.Pool(t)}
		config := newConfig(nil)
		config.Reader = query.NewReader(pool, time.UTC)
		config.RequestTimeout = time.Minute
		s, router, err := newServer(config)
		require.NoError(t, err)
		var got []held
		pool.watch = func() { got = append(got, held{taken(s.smallReads), taken(s.reads), taken(s.largeReads)}) }

		answer := serve(router, http.MethodGet, pathOf(uuid.New(), "/summary"+target), "", nil)

		require.Equal(t, http.StatusOK, answer.Code, "%s: %s", target, answer.Body)
		assert.Equal(t, []held{want}, got, "%s", target)
		assert.Zero(t, taken(s.smallReads)+taken(s.reads)+taken(s.largeReads), "afterwards")
	}
}

// watchedPool calls a function before it is used.
type watchedPool struct {
	*pgxpool.Pool

	watch func()
}

func (p *watchedPool) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	p.watch()
	return p.Pool.Acquire(ctx)
}

func (p *watchedPool) Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error) {
	p.watch()
	return p.Pool.Query(ctx, sql, arguments...)
}

func TestSmallReadsAreRefusedWhenThereAreTooMany(t *testing.T) {
	t.Parallel()
	config := newConfig(errAway)
	config.RequestTimeout = 10 * time.Millisecond
	s, router, err := newServer(config)
	require.NoError(t, err)
	s.smallReads = newPlaces(1, 1, tooMuchRead)
	_, err = s.smallReads.acquire(t.Context(), 1)
	require.NoError(t, err)

	answer := serve(router, http.MethodGet, pathOf(uuid.New(), "/summary"), "", nil)

	require.Equal(t, http.StatusServiceUnavailable, answer.Code, "%s", answer.Body)
	assert.Equal(t, tooMuchRead, problemOf(t, answer).Detail)
	assert.NotEmpty(t, answer.Header().Get("Retry-After"))
}
