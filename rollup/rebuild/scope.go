package rebuild

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// MaxUsers is the largest number of users that a [Scope] may list. The list is
// stored with the job. For more users than this, rebuild everything.
const MaxUsers = 10_000

// ErrTooManyUsers means that a scope lists more than [MaxUsers] users.
var ErrTooManyUsers = fmt.Errorf("a scope must list at most %d users: "+
	"rebuild one list after the other, or everybody", MaxUsers)

// Scope is the part of the rollups that a rebuild works on. The zero value is
// everything.
type Scope struct {
	// Users limits the rebuild to some users, at most [MaxUsers]. Empty is all.
	Users []uuid.UUID `json:"users,omitempty" river:"unique"`
	// RecordedSince limits the rebuild to users for whom a log was recorded, voided or
	// re-zoned at this instant or later.
	RecordedSince *time.Time `json:"recorded_since,omitempty" river:"unique"`
	// From and To limit the rebuild to a range of dates; either may be nil. The range
	// is widened to whole periods: for each granularity, it goes from the period
	// that contains From to the one that contains To, both included.
	From *rollup.Date `json:"from,omitempty" river:"unique"`
	To   *rollup.Date `json:"to,omitempty" river:"unique"`
}

// IsEverything reports whether the scope has no limits.
func (s Scope) IsEverything() bool {
	return len(s.Users) == 0 && s.RecordedSince == nil && s.From == nil && s.To == nil
}

// Normalized returns the same scope in its canonical form: users in key order
// without duplicates, and the instant in UTC.
func (s Scope) Normalized() Scope {
	users := slices.Clone(s.Users)
	slices.SortFunc(users, compareIDs)
	return Scope{
		Users:         slices.Compact(users),
		RecordedSince: inUTC(s.RecordedSince),
		From:          s.From,
		To:            s.To,
	}
}

// Check fails with [rollup.ErrEmptyRange] if From is after To, and with
// [ErrTooManyUsers] if more than [MaxUsers] are listed. In a scope that isn't
// normalized, a user who is listed twice counts twice.
func (s Scope) Check() error {
	if s.From != nil && s.To != nil && *s.From > *s.To {
		return rollup.ErrEmptyRange
	}
	if len(s.Users) > MaxUsers {
		return ErrTooManyUsers
	}
	return nil
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}

// expectedLogs returns about how many logs a rebuild or a re-zone of the scope goes
// through, as estimated by PostgreSQL's planner, or 0 if it can't tell.
func (s Scope) expectedLogs(ctx context.Context, tx pgx.Tx, rezoned bool) (int64, error) {
	if s.RecordedSince != nil {
		return 0, nil
	}
	tables, err := layoutOf(ctx, tx)
	if err != nil {
		return 0, fmt.Errorf("estimating the logs of the rebuild: %w", err)
	}
	return tables.expectedLogs(ctx, tx, s, rezoned)
}

func (atOneServer) expectedLogs(ctx context.Context, tx pgx.Tx, s Scope, rezoned bool) (int64, error) {
	query := `EXPLAIN (FORMAT JSON) SELECT FROM ` + rollup.TruthSQL() + ` AS truth
		WHERE "timestamp" >= @lower AND "timestamp" < @upper`
	if len(s.Users) > 0 {
		query += ` AND user_id = ANY(@users)`
	}
	lower, upper := s.days(window{}).instants()
	if rezoned {
		lower, upper = s.periods(rollup.Day).inUTC()
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	err := tx.QueryRow(ctx, query, pgx.NamedArgs{"lower": lower, "upper": upper, "users": s.Users}).Scan(&plans)
	if err != nil {
		return 0, fmt.Errorf("estimating the logs of the rebuild: %w", err)
	}
	var rows float64
	for _, plan := range plans {
		rows += plan.Plan.Rows
	}
	return int64(rows), nil
}
