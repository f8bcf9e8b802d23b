package query

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/retry"
	"learninglog/rollup"
)

// Streak is a run of consecutive days that each have a log. The zero value is no
// streak.
type Streak struct {
	Days int
	// First and Last are the starts of the first and the last day, in the requested
	// zone.
	First, Last time.Time
}

// Streaks are the streaks of a user up to today.
type Streaks struct {
	// Current is the streak that reaches today or, because today isn't over,
	// yesterday.
	Current Streak
	// Longest is the longest streak, and the latest one if several are as long.
	Longest Streak
	// ActiveDays is the number of days with a log.
	ActiveDays int
	// LastDay is the start of the last day with a log, in the requested zone, or
	// nil.
	LastDay *time.Time
}

// Streaks returns the streaks of a user, in days of a zone, up to the day that
// contains now. It reads one row for each day on which the user was active.
func (r *Reader) Streaks(ctx context.Context, userID uuid.UUID, now time.Time, zone *time.Location) (Streaks, error) {
	const query = `
		SELECT period
		FROM learning_log_aggregates
		WHERE user_id = $1 AND granularity = 'day' AND period <= $2 AND entry_count > 0
		ORDER BY period`
	today := rollup.Day.StartOf(now, zone)
	count := func(rows pgx.Rows) (Streaks, error) { return countStreaks(rows, today, zone) }
	streaks, err := retry.Read(ctx, r.pool, count, query, userID, today)
	if err != nil {
		return Streaks{}, fmt.Errorf("reading streaks: %w", err)
	}
	return streaks, nil
}

func countStreaks(rows pgx.Rows, today time.Time, zone *time.Location) (Streaks, error) {
	var (
		streaks      Streaks
		streak       Streak
		day, nextDay time.Time
	)
	_, err := pgx.ForEachRow(rows, []any{&day}, func() error {
		if !day.Equal(nextDay) {
			streak = Streak{First: day.In(zone)}
		}
		nextDay = rollup.Day.Next(day, zone)
		streak.Days++
		streak.Last = day.In(zone)
		if streak.Days >= streaks.Longest.Days {
			streaks.Longest = streak
		}
		streaks.ActiveDays++
		return nil
	})
	if err != nil || streak.Days == 0 {
		return Streaks{}, err
	}
	streaks.LastDay = &streak.Last
	if !nextDay.Before(today) {
		streaks.Current = streak
	}
	return streaks, nil
}
