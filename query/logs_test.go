package query_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/learning"
	"learninglog/query"
	"learninglog/rollup"
)

func TestLog(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	reader := newReader(pool)
	id := post(t, pool, user, 12, "2026-11-22T08:00:00.123456+14:00")

	log, err := reader.Log(context.Background(), user, id)
	require.NoError(t, err)
	assert.Equal(t, id, log.RequestID)
	assert.Equal(t, user, log.UserID)
	assert.Equal(t, 12, log.WordCount)
	assert.Equal(t, instant("2026-11-21T18:00:00.123456Z"), log.Timestamp)
	assert.Equal(t, "+14:00", log.UTCOffset.String())
	assert.Equal(t, date("2026-11-22"), log.Date())
	assert.Zero(t, log.VoidedAt)

	_, err = reader.Log(context.Background(), user, uuid.New())
	require.ErrorIs(t, err, query.ErrNotFound)
	_, err = reader.Log(context.Background(), uuid.New(), id)
	require.ErrorIs(t, err, query.ErrNotFound, "another user's log isn't there")
}

func TestLogsInPages(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	reader := newReader(pool)
	want := make(map[uuid.UUID]bool)
	for i := range 25 { // several at the same instant
		want[post(t, pool, user, i, fmt.Sprintf("2026-11-%02dT08:00:00Z", 1+i/6))] = true
	}
	post(t, pool, uuid.New(), 1, "2026-11-01T08:00:00Z")

	var listed []learning.Log
	request := query.LogsRequest{UserID: user, Limit: 4}
	for {
		page, err := reader.Logs(context.Background(), request)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Logs), request.Limit)
		listed = append(listed, page.Logs...)
		post(t, pool, user, 1, "2026-11-22T08:00:00Z") // newer than every page
		if page.Next == nil {
			break
		}
		request.After = page.Next
	}

	require.Len(t, listed, len(want), "every log once, none that came later")
	for i, log := range listed {
		assert.True(t, want[log.RequestID])
		delete(want, log.RequestID)
		if i > 0 {
			assert.False(t, log.Timestamp.After(listed[i-1].Timestamp), "newest first")
		}
	}
}

func TestLogsLastPageOfExactlyTheLimit(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	post(t, pool, user, 1, "2026-11-22T08:00:00Z")
	post(t, pool, user, 1, "2026-11-22T09:00:00Z")

	page, err := newReader(pool).Logs(context.Background(), query.LogsRequest{UserID: user, Limit: 2})

	require.NoError(t, err)
	assert.Len(t, page.Logs, 2)
	assert.Nil(t, page.Next)
}

// Each log is on the date that the learner's clock showed, wherever that clock was.
func TestLogsOfDates(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	for words, shown := range []string{ // in the order of time
		"2026-11-21T23:59:59.999999+14:00",
		"2026-11-22T00:00:00+14:00",
		"2026-11-20T23:59:59.999999-11:00",
		"2026-11-21T00:00:00-11:00",
		"2026-11-21T23:59:59.999999+05:45",
		"2026-11-22T00:00:00+05:45",
		"2026-11-21T23:59:59.999999Z",
		"2026-11-22T00:00:00Z",
		"2026-11-23T00:00:00+14:00",
		"2026-11-21T23:59:59.999999-11:00",
		"2026-11-22T00:00:00-11:00",
	} {
		post(t, pool, user, words, shown)
	}
	reader := newReader(pool)
	for _, test := range []struct {
		name     string
		from, to *rollup.Date
		want     []int // words
	}{
		{"all", nil, nil, []int{10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{"one date", new(date("2026-11-21")), new(date("2026-11-21")), []int{9, 6, 4, 3, 0}},
		{"two dates, both included", new(date("2026-11-21")), new(date("2026-11-22")), []int{10, 9, 7, 6, 5, 4, 3, 1, 0}},
		{"from a date on", new(date("2026-11-22")), nil, []int{10, 8, 7, 5, 1}},
		{"through a date", nil, new(date("2026-11-20")), []int{2}},
		{"a date without logs", new(date("2026-11-24")), new(date("2026-11-24")), nil},
	} {
		for _, limit := range []int{1, 2, query.MaxPage} {
			t.Run(fmt.Sprintf("%s, %d a page", test.name, limit), func(t *testing.T) {
				t.Parallel()
				logs := allPages(t, reader, query.LogsRequest{UserID: user, From: test.from, To: test.to, Limit: limit})

				var got []int
				for _, log := range logs {
					got = append(got, log.WordCount)
				}
				assert.Equal(t, test.want, got)
			})
		}
	}
}

func TestLogsOfAnEmptyRange(t *testing.T) {
	t.Parallel()
	_, err := newReader(pgtest.Pool(t)).Logs(context.Background(), query.LogsRequest{
		UserID: uuid.New(), From: new(date("2026-11-22")), To: new(date("2026-11-21")), Limit: 10,
	})
	require.ErrorIs(t, err, rollup.ErrEmptyRange)
}

// The list of a range has exactly the logs that count in its days.
func TestLogsOfAPeriodAreThoseThatItsSumsCount(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), pgtest.Pool(t)
	reader, recorder := newReader(pool), command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)})
	middle := instant("2026-11-22T00:00:00Z")
	rapid.Check(t, func(t *rapid.T) {
		user := uuid.New()
		logs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) command.Log {
			offset := rollup.Offset(rapid.IntRange(int(rollup.MinOffset), int(rollup.MaxOffset)).Draw(t, "offset"))
			seconds := rapid.IntRange(-3*24*3600, 3*24*3600).Draw(t, "seconds")
			return command.Log{
				RequestID: uuid.New(), UserID: user, WordCount: rapid.IntRange(0, 9).Draw(t, "words"),
				Timestamp: middle.Add(time.Duration(seconds) * time.Second), Zone: offset.Location(),
			}
		}), 1, 30).Draw(t, "logs")
		for _, outcome := range recorder.Record(ctx, logs) {
			require.Equal(t, command.Recorded, outcome.Status)
		}
		from := date("2026-11-22") + rollup.Date(rapid.IntRange(-4, 4).Draw(t, "from"))
		to := from + rollup.Date(rapid.IntRange(0, 4).Draw(t, "more days"))

		listed := allPages(t, reader, query.LogsRequest{
			UserID: user, From: &from, To: &to, Limit: rapid.IntRange(1, 10).Draw(t, "limit"),
		})
		summary, err := reader.Summary(ctx, query.SummaryRequest{UserID: user, Granularity: rollup.Day, From: &from, To: &to})
		require.NoError(t, err)

		sums := make(map[rollup.Date]rollup.Sums)
		for _, log := range listed {
			sums[log.Date()] = sums[log.Date()].Plus(rollup.Sums{TotalWordCount: int64(log.WordCount), EntryCount: 1})
		}
		require.Len(t, sums, summary.Active())
		for _, day := range summary.Periods {
			require.Equal(t, day.Sums, sums[day.Period], "%s", day.Period)
		}
	})
}

func TestVoidedLogsAreListedOnRequest(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	reader := newReader(pool)
	var all, counted []uuid.UUID
	for i := range 12 { // several at the same instant
		id := post(t, pool, user, i, fmt.Sprintf("2026-11-%02dT08:00:00Z", 1+i/4))
		all = append(all, id)
		if i%3 == 0 {
			void(t, pool, user, id)
			continue
		}
		counted = append(counted, id)
	}
	for _, limit := range []int{1, 2, 5, 12, query.MaxPage} {
		listed := allPages(t, reader, query.LogsRequest{UserID: user, Limit: limit})
		ids := make([]uuid.UUID, len(listed))
		for i, log := range listed {
			ids[i] = log.RequestID
			assert.Zero(t, log.VoidedAt)
		}
		assert.ElementsMatch(t, counted, ids, "%d a page", limit)

		listed = allPages(t, reader, query.LogsRequest{UserID: user, WithVoided: true, Limit: limit})
		ids = make([]uuid.UUID, len(listed))
		for i, log := range listed {
			ids[i] = log.RequestID
			assert.Equal(t, log.WordCount%3 == 0, !log.VoidedAt.IsZero())
		}
		assert.ElementsMatch(t, all, ids, "%d a page", limit)
		assert.True(t, slices.IsSortedFunc(listed, func(a, b learning.Log) int {
			return cmp.Or(b.Timestamp.Compare(a.Timestamp), bytes.Compare(b.RequestID[:], a.RequestID[:]))
		}), "newest first")
	}
}

func TestAVoidedLogCanBeAskedFor(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	voided := post(t, pool, user, 2, "2026-11-22T09:00:00Z")
	void(t, pool, user, voided)

	log, err := newReader(pool).Log(context.Background(), user, voided)

	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), log.VoidedAt, time.Minute)
}

// allPages returns the logs of all pages.
func allPages(t require.TestingT, reader *query.Reader, request query.LogsRequest) (logs []learning.Log) {
	for {
		page, err := reader.Logs(context.Background(), request)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Logs), request.Limit)
		logs = append(logs, page.Logs...)
		if page.Next == nil {
			return logs
		}
		request.After = page.Next
	}
}

func TestCursorSurvivesItsText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cursor := query.Cursor{
			Timestamp: time.UnixMicro(rapid.Int64Range(-62135596800000000, 253370764799999999).Draw(t, "microseconds")).UTC(),
			RequestID: uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "request id")),
		}
		parsed, err := query.ParseCursor(cursor.String())
		require.NoError(t, err)
		require.Equal(t, cursor, parsed)
	})
}

func FuzzParseCursor(f *testing.F) {
	f.Add(query.Cursor{Timestamp: time.Unix(0, 0), RequestID: uuid.Max}.String())
	f.Add("")
	f.Add("AQAGYONQywfqIiIiIhERQRGBEREREREREQ")
	f.Add("AQ==")
	f.Add("_____________________________________")
	f.Fuzz(func(t *testing.T, text string) {
		cursor, err := query.ParseCursor(text)
		if err != nil {
			require.ErrorIs(t, err, query.ErrBadCursor)
			return
		}
		require.Equal(t, text, cursor.String(), "a cursor has one text")
	})
}
