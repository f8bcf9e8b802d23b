package query_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/internal/pgtest"
	"learninglog/learning"
	"learninglog/query"
	"learninglog/rollup"
)

func TestLog(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	reader := query.NewReader(pool)
	id := post(t, pool, user, 12, "2026-11-22T08:00:00.123456Z")

	log, err := reader.Log(context.Background(), user, id)
	require.NoError(t, err)
	assert.Equal(t, id, log.RequestID)
	assert.Equal(t, user, log.UserID)
	assert.Equal(t, 12, log.WordCount)
	assert.Equal(t, instant("2026-11-22T08:00:00.123456Z"), log.Timestamp)

	_, err = reader.Log(context.Background(), user, uuid.New())
	require.ErrorIs(t, err, query.ErrNotFound)
	_, err = reader.Log(context.Background(), uuid.New(), id)
	require.ErrorIs(t, err, query.ErrNotFound, "another user's log isn't there")
}

func TestLogsInPages(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	reader := query.NewReader(pool)
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

	page, err := query.NewReader(pool).Logs(context.Background(), query.LogsRequest{UserID: user, Limit: 2})

	require.NoError(t, err)
	assert.Len(t, page.Logs, 2)
	assert.Nil(t, page.Next)
}

func TestLogsOfARange(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	post(t, pool, user, 1, "2026-11-20T08:00:00Z")
	post(t, pool, user, 2, "2026-11-21T08:00:00Z")
	post(t, pool, user, 3, "2026-11-22T08:00:00Z")
	from, until := instant("2026-11-21T08:00:00Z"), instant("2026-11-22T08:00:00Z")
	reader := query.NewReader(pool)

	page, err := reader.Logs(context.Background(), query.LogsRequest{UserID: user, From: &from, Until: &until, Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Logs, 1)
	assert.Equal(t, 2, page.Logs[0].WordCount, "from is included, until is not")

	_, err = reader.Logs(context.Background(), query.LogsRequest{UserID: user, From: &until, Until: &from, Limit: 10})
	require.ErrorIs(t, err, rollup.ErrEmptyRange)
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
