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
		    SELECT `+rollup.PeriodNumberSQL+` AS day
		    FROM learning_log_aggregates
		    WHERE user_id = $1 AND granularity = 'day' AND period <= $2 AND entry_count > 0`) + `) AS days
		ORDER BY day`
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
		counted        streakCount
		freeze, latest pgtype.Int2
		day            pgtype.Int4
	)
	_, err := pgx.ForEachRow(rows, []any{&freeze, &latest, &day}, func() error {
		counted.AllowedGap = int(freeze.Int16)
		if allowedGap != nil {
			counted.AllowedGap = *allowedGap
		}
		if clock.Zone == nil {
			clock.Zone = r.zoneOf(latest)
		}
		counted.Today = clock.Today()
		if day.Valid {
			counted.add(rollup.Date(day.Int32))
		}
		return nil
	})
	return counted.ended(), err
}

// streakCount counts streaks up to today. Its days are added in time order.
type streakCount struct {
	Streaks

	latest Streak
}

func (c *streakCount) add(day rollup.Date) {
	if day > c.Today {
		return
	}
	if !c.reaches(day) {
		c.latest = Streak{First: day}
	}
	c.latest.Days++
	c.latest.Last = day
	if c.latest.Days >= c.Longest.Days {
		c.Longest = c.latest
	}
	c.ActiveDays++
}

// reaches reports whether the latest streak may go on with a log of a day.
func (c *streakCount) reaches(day rollup.Date) bool {
	return c.latest.Days > 0 && int(day-c.latest.Last) <= c.AllowedGap+1
}

// ended returns the streaks of the days that were added.
func (c *streakCount) ended() Streaks {
	if c.latest.Days > 0 {
		c.LastDay = new(c.latest.Last)
	}
	if c.reaches(c.Today) {
		c.Current = c.latest
	}
	return c.Streaks
}
