package dashboard //nolint:testpackage // the date of the start page is an argument only here

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/query"
	"learninglog/rollup"
)

// Where it is today for the service, it is tomorrow already for some learners.
func TestTheLastDaysEndTomorrowIfSomebodyIsThere(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)})
	pages := &Pages{Config: Config{Reader: query.NewReader(pool, time.UTC), Zone: time.UTC}}
	post := func(shown string) {
		at, err := time.Parse(time.RFC3339, shown)
		require.NoError(t, err)
		log := command.Log{RequestID: uuid.New(), UserID: uuid.New(), WordCount: 1, Timestamp: at, Zone: at.Location()}
		require.Equal(t, command.Recorded, recorder.Record(t.Context(), []command.Log{log})[0].Status)
	}
	today := rollup.NewDate(2026, time.March, 4)
	post("2026-02-03T08:00:00Z") // thirty days with today
	post("2026-03-03T23:30:00-11:00")
	post("2026-03-04T10:30:00Z")

	days, err := pages.lastDays(t.Context(), today)
	require.NoError(t, err)
	assert.Len(t, days.Periods, overviewDays)
	assert.Equal(t, today, days.To)
	assert.EqualValues(t, 3, days.Totals.EntryCount)

	post("2026-03-05T00:30:00+14:00")
	days, err = pages.lastDays(t.Context(), today)
	require.NoError(t, err)
	assert.Len(t, days.Periods, overviewDays)
	assert.Equal(t, today+1, days.To)
	assert.EqualValues(t, 3, days.Totals.EntryCount, "without the first of them, and with the last")
}
