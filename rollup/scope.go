package rollup

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// MaxScopeUsers is the most users that a [Scope] may list. The list is kept with
// the job; of more users than this, rebuild everything.
const MaxScopeUsers = 10_000

// Scope is the part of the rollups that a rebuild works on. The zero value is
// everything.
type Scope struct {
	// Users limits the rebuild to some users, at most [MaxScopeUsers]. Empty is all.
	Users []uuid.UUID `json:"users,omitempty" river:"unique"`
	// RecordedSince limits it to the users of whom a log was recorded at this
	// instant or later.
	RecordedSince *time.Time `json:"recorded_since,omitempty" river:"unique"`
	// From and To limit it to a range of time, each alone or both. The range
	// takes whole periods: for each granularity, those from the one that
	// contains From through the one that contains To.
	From *time.Time `json:"from,omitempty" river:"unique"`
	To   *time.Time `json:"to,omitempty" river:"unique"`
}

// IsEverything says whether nothing limits the scope.
func (s Scope) IsEverything() bool {
	return len(s.Users) == 0 && s.RecordedSince == nil && s.From == nil && s.To == nil
}

// Normalized returns the same scope as it is always written: users in key order
// and each once, instants in UTC.
func (s Scope) Normalized() Scope {
	users := slices.Clone(s.Users)
	slices.SortFunc(users, compareIDs)
	return Scope{
		Users:         slices.Compact(users),
		RecordedSince: inUTC(s.RecordedSince),
		From:          inUTC(s.From),
		To:            inUTC(s.To),
	}
}

func compareIDs(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}

// window is a range of instants: from lower on, before upper. Nil is no bound.
type window struct{ lower, upper *time.Time }

// periods returns the window of the starts of the periods in scope.
func (s Scope) periods(granularity Granularity, zone *time.Location) window {
	var w window
	if s.From != nil {
		w.lower = new(granularity.StartOf(*s.From, zone))
	}
	if s.To != nil {
		w.upper = new(granularity.Next(granularity.StartOf(*s.To, zone), zone))
	}
	return w
}

func (w window) within(other window) window {
	if w.lower == nil || (other.lower != nil && other.lower.After(*w.lower)) {
		w.lower = other.lower
	}
	if w.upper == nil || (other.upper != nil && other.upper.Before(*w.upper)) {
		w.upper = other.upper
	}
	return w
}

// around returns the least window that has both.
func (w window) around(other window) window {
	if w.lower != nil && (other.lower == nil || other.lower.Before(*w.lower)) {
		w.lower = other.lower
	}
	if w.upper != nil && (other.upper == nil || other.upper.After(*w.upper)) {
		w.upper = other.upper
	}
	return w
}

// logs returns the window of the logs that belong to periods that start in w.
func (w window) logs(granularity Granularity, zone *time.Location) window {
	// Where the clocks show midnight twice, a day has logs from before its
	// start. The periods are cut exactly, so a few logs more do no harm.
	const margin = 24 * time.Hour
	var logs window
	if w.lower != nil {
		logs.lower = new(w.lower.Add(-margin))
	}
	if w.upper != nil {
		lastPeriod := granularity.StartOf(w.upper.Add(-time.Microsecond), zone)
		logs.upper = new(granularity.Next(lastPeriod, zone).Add(margin))
	}
	return logs
}

// bounds returns w as PostgreSQL compares it.
func (w window) bounds() (lower, upper pgtype.Timestamptz) {
	lower = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	upper = pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	if w.lower != nil {
		lower = pgtype.Timestamptz{Time: *w.lower, Valid: true}
	}
	if w.upper != nil {
		upper = pgtype.Timestamptz{Time: *w.upper, Valid: true}
	}
	return lower, upper
}

// dates returns w, whose ends are starts of periods, as the dates that the clocks
// of zone show.
func (w window) dates(zone *time.Location) (first, end pgtype.Timestamp) {
	first = pgtype.Timestamp{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	end = pgtype.Timestamp{InfinityModifier: pgtype.Infinity, Valid: true}
	if w.lower != nil {
		first = dateOf(*w.lower, zone)
	}
	if w.upper != nil {
		end = dateOf(*w.upper, zone)
	}
	return first, end
}

func dateOf(t time.Time, zone *time.Location) pgtype.Timestamp {
	year, month, day := t.In(zone).Date()
	return pgtype.Timestamp{Time: time.Date(year, month, day, 0, 0, 0, 0, time.UTC), Valid: true}
}

// expectedLogs returns about how many logs the scope has: what PostgreSQL's
// planner expects, or 0 where it can't tell.
func (s Scope) expectedLogs(ctx context.Context, tx pgx.Tx, zone *time.Location) (int64, error) {
	if s.RecordedSince != nil {
		return 0, nil
	}
	query := `EXPLAIN (FORMAT JSON) SELECT FROM learning_log WHERE "timestamp" >= @lower AND "timestamp" < @upper`
	if len(s.Users) > 0 {
		query += ` AND user_id = ANY(@users)`
	}
	lower, upper := s.logs(window{}, zone).bounds()
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
