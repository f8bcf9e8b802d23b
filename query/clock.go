package query

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/internal/retry"
	"learninglog/rollup"
)

// Clock tells what date it is for a learner.
type Clock struct {
	// Now is the instant of the request.
	Now time.Time
	// Zone is the learner's time zone, or nil if it isn't known. Then the offset of the
	// learner's latest log tells; and if there is no log, the zone of the [Reader].
	Zone *time.Location
}

// Clock returns the learner's clock, whose zone is known.
func (r *Reader) Clock(ctx context.Context, userID uuid.UUID, now time.Time) (Clock, error) {
	latest, err := retry.Read(ctx, r.at(userID), collectOffset, offsetSQL, userID)
	if err != nil {
		return Clock{}, fmt.Errorf("reading the offset of the latest log: %w", err)
	}
	return Clock{Now: now, Zone: r.zoneOf(latest)}, nil
}

const offsetSQL = `SELECT ` + latestOffsetSQL

func collectOffset(rows pgx.Rows) (pgtype.Int2, error) {
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[pgtype.Int2])
}

// latestOffsetSQL is an SQL expression for the offset of the latest log of the user $1
// that counts.
const latestOffsetSQL = `(
	SELECT utc_offset FROM learning_log
	WHERE user_id = $1 AND ` + rollup.CountsSQL + `
	ORDER BY "timestamp" DESC LIMIT 1)`

// zoneOf returns the zone of a clock by the offset of the latest log, which isn't valid
// if there is no log.
func (r *Reader) zoneOf(latest pgtype.Int2) *time.Location {
	if !latest.Valid {
		return r.zone
	}
	return rollup.Offset(latest.Int16).Location()
}

// Today returns the date on the clock. The zone must be known.
func (c Clock) Today() rollup.Date { return rollup.DateOf(c.Now.In(c.Zone)) }

// todays returns the first and the last date that it may be: the same one if the zone is
// known.
func (c Clock) todays() (first, last rollup.Date) {
	if c.Zone != nil {
		return c.Today(), c.Today()
	}
	return rollup.MinOffset.DateAt(c.Now), rollup.MaxOffset.DateAt(c.Now)
}

// withLatestOffset returns a query that has one more column before those of another
// query: the offset of the latest log of the user $1. If the other query has no row, this
// one has a row of nulls.
func withLatestOffset(query string) string {
	return `SELECT latest.utc_offset, found.*
		FROM (SELECT ` + latestOffsetSQL + ` AS utc_offset) AS latest LEFT JOIN (` + query + `) AS found ON true`
}
