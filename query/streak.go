package query

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/internal/retry"
	"learninglog/rollup"
)

// Streak is a run of consecutive days that each have a log. The zero value is no
// streak.
type Streak struct {
	// Days is the number of days with a log.
	Days int
	// First and Last are the first and the last of them.
	First, Last rollup.Date
}

// Streaks are the streaks of a user up to today.
type Streaks struct {
	// Today is the date on the learner's clock.
	Today rollup.Date
	// AllowedGap is how many days in a row without a log don't end a streak.
	AllowedGap int
	// Current is the streak that reaches today or, because today isn't over,
	// yesterday.
	Current Streak
	// Longest is the longest streak, and the latest one if several are as long.
	Longest Streak
	// ActiveDays is the number of days with a log.
	ActiveDays int
	// LastDay is the last day with a log, or nil.
	LastDay *rollup.Date
}

// Streaks returns the streaks of a user, up to today on the learner's clock. So many days
// in a row without a log don't end a streak, but don't count either; if allowedGap is nil, as
// many as the learner has set. It reads one row for each day on which the user was active.
func (r *Reader) Streaks(ctx context.Context, userID uuid.UUID, clock Clock, allowedGap *int) (Streaks, error) {
	query := `
		SELECT (SELECT freeze_days FROM learning_log_settings WHERE user_id = $1), days.*
		FROM (` + withLatestOffset(`
		    SELECT period
		    FROM learning_log_aggregates
		    WHERE user_id = $1 AND granularity = 'day' AND period <= $2 AND entry_count > 0`) + `) AS days
		ORDER BY period`
	read := func(rows pgx.Rows) (Streaks, error) { return r.countStreaks(rows, clock, allowedGap) }
	_, last := clock.todays()
	streaks, err := retry.Read(ctx, r.at(userID), read, query, userID, last.Time())
	if err != nil {
		return Streaks{}, fmt.Errorf("reading streaks: %w", err)
	}
	return streaks, nil
}

func (r *Reader) countStreaks(rows pgx.Rows, clock Clock, allowedGap *int) (Streaks, error) {
	var (
		streaks        Streaks
		streak         Streak
		freeze, latest pgtype.Int2
		period         pgtype.Date
	)
	_, err := pgx.ForEachRow(rows, []any{&freeze, &latest, &period}, func() error {
		streaks.AllowedGap = int(freeze.Int16)
		if allowedGap != nil {
			streaks.AllowedGap = *allowedGap
		}
		if clock.Zone == nil {
			clock.Zone = r.zoneOf(latest)
		}
		day := rollup.DateOf(period.Time)
		if !period.Valid || day > clock.Today() {
			return nil
		}
		if streak.Days == 0 || int(day-streak.Last) > streaks.AllowedGap+1 {
			streak = Streak{First: day}
		}
		streak.Days++
		streak.Last = day
		if streak.Days >= streaks.Longest.Days {
			streaks.Longest = streak
		}
		streaks.ActiveDays++
		return nil
	})
	if err != nil {
		return Streaks{}, err
	}
	streaks.Today = clock.Today()
	if streak.Days > 0 {
		streaks.LastDay = &streak.Last
	}
	if streak.Days > 0 && int(streaks.Today-streak.Last) <= streaks.AllowedGap+1 {
		streaks.Current = streak
	}
	return streaks, nil
}
