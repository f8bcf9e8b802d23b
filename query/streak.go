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

// Streak is days in a row, each with a log. The zero value is none.
type Streak struct {
	Days int
	// First and Last are when its first and last day start, in the zone asked for.
	First, Last time.Time
}

// Streaks are the habits of a user, until today.
type Streaks struct {
	// Current is the streak that reaches today; or yesterday, as today isn't over.
	Current Streak
	// Longest is the longest that there has been, the latest of several.
	Longest Streak
	// ActiveDays is the number of days with a log.
	ActiveDays int
	// LastDay is when the last of them started, in the zone asked for. Nil is never.
	LastDay *time.Time
}

// Streaks returns the streaks of a user, of the days of a zone through the one that
// contains now. It reads a row a day, for all days on which the user was active.
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
