package rollup_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/internal/pgtest"
	"learninglog/internal/zones"
	"learninglog/rollup"
)

// log is when a log is, as the database stores it.
type log struct {
	at     time.Time
	offset rollup.Offset
}

// dates are the date and the periods of a log.
type dates struct{ date, day, week, month rollup.Date }

// datesInGo returns the dates of logs as Go computes them.
func datesInGo(logs []log) []dates {
	computed := make([]dates, len(logs))
	for i, log := range logs {
		date := log.offset.DateAt(log.at)
		computed[i] = dates{date, rollup.Day.Start(date), rollup.Week.Start(date), rollup.Month.Start(date)}
	}
	return computed
}

// querier is a pool or a connection.
type querier interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
}

// datesInSQL returns the dates of logs as PostgreSQL computes them, by SQL expressions for
// the date and for the period of a granularity.
func datesInSQL(t require.TestingT, db querier, logs []log, dateSQL string, periodSQL func(granularity string) string) []dates {
	instants, offsets := make([]time.Time, len(logs)), make([]int16, len(logs))
	for i, log := range logs {
		instants[i], offsets[i] = log.at, int16(log.offset)
	}
	rows, err := db.Query(context.Background(), `
		SELECT `+dateSQL+`, `+periodSQL(`'day'`)+`, `+periodSQL(`'week'`)+`, `+periodSQL(`'month'`)+`
		FROM unnest($1::timestamptz[], $2::smallint[]) WITH ORDINALITY AS logs ("timestamp", utc_offset, place)
		ORDER BY place`, instants, offsets)
	require.NoError(t, err)
	computed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (dates, error) {
		var date, day, week, month pgtype.Date
		err := row.Scan(&date, &day, &week, &month)
		return dates{rollup.DateOf(date.Time), rollup.DateOf(day.Time), rollup.DateOf(week.Time), rollup.DateOf(month.Time)}, err
	})
	require.NoError(t, err)
	require.Len(t, computed, len(logs))
	return computed
}

// The definition of a date and of a period, in SQL that shares nothing with the package.
const definedDate = `(("timestamp" AT TIME ZONE 'UTC') + utc_offset * interval '1 minute')::date`

func definedPeriod(granularity string) string {
	return `date_trunc(` + granularity + `, ("timestamp" AT TIME ZONE 'UTC') + utc_offset * interval '1 minute')::date`
}

// requireEqualDates compares the dates of logs one by one, so that a failure says which
// log it is.
func requireEqualDates(t require.TestingT, logs []log, want, got []dates, message string) {
	for i, log := range logs {
		require.Equal(t, want[i], got[i], "%s at %s: %s", log.offset, log.at.Format(time.RFC3339Nano), message)
	}
}

// Go reads what SQL wrote, so both must have the same periods.
func TestPeriodsAreThoseOfPostgreSQL(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	compare := func(t require.TestingT, logs []log) {
		defined := datesInSQL(t, pool, logs, definedDate, definedPeriod)
		requireEqualDates(t, logs, defined, datesInGo(logs), "Go")
		requireEqualDates(t, logs, defined, datesInSQL(t, pool, logs, rollup.DateSQL, rollup.PeriodSQL), "PostgreSQL")
	}

	t.Run("at any instant", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			compare(t, rapid.SliceOfN(rapid.Custom(func(t *rapid.T) log {
				return log{anyInstant().Draw(t, "instant"), anyOffset().Draw(t, "offset")}
			}), 50, 50).Draw(t, "logs"))
		})
	})

	t.Run("with every offset, around midnight", func(t *testing.T) {
		t.Parallel()
		var logs []log
		for offset := rollup.MinOffset; offset <= rollup.MaxOffset; offset++ {
			for _, text := range []string{
				"0001-01-02", "1969-12-29", "1970-01-01", "2000-02-29", "2021-01-01", "2021-01-04", "2024-03-01", "2026-11-01", "9998-12-31",
			} {
				midnight := date(t, text).Time().Add(-time.Duration(offset) * time.Minute)
				logs = append(logs, log{midnight.Add(-time.Microsecond), offset}, log{midnight, offset})
			}
		}
		compare(t, logs)
	})

	t.Run("whatever the time zone of the session", func(t *testing.T) {
		t.Parallel()
		// The zone skipped 30 December 2011, and an hour after a midnight in 2010.
		skipped := []time.Time{instant(t, "2011-12-30T10:00:00Z"), instant(t, "2010-09-26T11:00:00Z")}
		var logs []log
		for _, at := range skipped {
			for hours := -60; hours < 60; hours++ {
				logs = append(logs, log{at.Add(time.Duration(hours) * time.Hour), 0}, log{at.Add(time.Duration(hours) * time.Hour), rollup.MaxOffset})
			}
		}
		connection, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		defer connection.Release()
		_, err = connection.Exec(t.Context(), `SET TIME ZONE 'Pacific/Apia'`)
		require.NoError(t, err)
		requireEqualDates(t, logs, datesInGo(logs), datesInSQL(t, connection, logs, rollup.DateSQL, rollup.PeriodSQL), "PostgreSQL")
	})

	t.Run("at the first and the last instant that the table takes", func(t *testing.T) {
		t.Parallel()
		first, end := instant(t, "0001-01-01T00:00:00Z"), instant(t, "9999-01-01T00:00:00Z")
		logs := []log{{first, rollup.MinOffset}, {first, rollup.MaxOffset}, {end.Add(-time.Microsecond), rollup.MinOffset}, {end.Add(-time.Microsecond), rollup.MaxOffset}}
		compare(t, logs)
		assert.Equal(t, "0000-12-01", datesInGo(logs)[0].month.String(), "in 1 BC")
		assert.Equal(t, "9999-01-01", datesInGo(logs)[3].month.String())
	})
}

// Whatever zone a learner lives in, and however its clocks have changed or will change,
// a log is counted on the date that the learner's clock showed.
func TestDatesAreThoseOfEveryZone(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	database, err := zones.Open()
	require.NoError(t, err)
	changes := 0
	distinct := make(map[log]bool) // many zones have the same clocks

	for _, name := range database.Names() {
		location, err := database.Load(name)
		require.NoError(t, err)
		for _, change := range changesOf(location) {
			changes++
			for _, at := range []time.Time{change.Add(-time.Microsecond), change, change.Add(time.Hour), change.Add(12 * time.Hour)} {
				offset := rollup.OffsetAt(at, location)
				require.GreaterOrEqual(t, offset, rollup.MinOffset, "%s at %s", name, at)
				require.LessOrEqual(t, offset, rollup.MaxOffset, "%s at %s", name, at)
				require.Equal(t, at.In(location).Format(time.DateOnly), offset.DateAt(at).String(), "%s at %s", name, at)
				distinct[log{at, offset}] = true
			}
		}
	}

	assert.Greater(t, changes, 10_000, "every change of the clocks of every zone")
	logs := slices.Collect(maps.Keys(distinct))
	requireEqualDates(t, logs, datesInGo(logs), datesInSQL(t, pool, logs, rollup.DateSQL, rollup.PeriodSQL), "PostgreSQL")
}

// changesOf returns when the clocks of a location change, from 2000 to 2037.
func changesOf(location *time.Location) (changes []time.Time) {
	at := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	end := time.Date(2038, time.January, 1, 0, 0, 0, 0, time.UTC)
	for {
		_, next := at.In(location).ZoneBounds()
		switch {
		case next.IsZero() || !next.Before(end):
			return changes
		case !next.After(at):
			// On the last day of a leap year, ZoneBounds may return the beginning of
			// that day.
			at = at.AddDate(0, 0, 1)
		default:
			at = next.UTC()
			changes = append(changes, at)
		}
	}
}

func ExamplePeriodSQL() {
	pool, closePool := pgtest.ExamplePool()
	defer closePool()
	var month string
	err := pool.QueryRow(context.Background(), `
		SELECT `+rollup.PeriodSQL(`'month'`)+`::text
		FROM (VALUES ('2026-01-01 03:00:00Z'::timestamptz, -300)) AS logs ("timestamp", utc_offset)`).Scan(&month)
	fmt.Println(month, err)
	// Output: 2025-12-01 <nil>
}
