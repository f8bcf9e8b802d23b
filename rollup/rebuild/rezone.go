package rebuild

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/riverqueue/river"

	"learninglog/rollup"
)

// rezoneQueue is separate from the default queue, so that a long re-zone keeps no rebuild
// waiting.
const rezoneQueue = "rezone"

// rezoneLock is the key of the session-level advisory lock that a re-zone holds, so that
// there is only one at a time.
const rezoneLock int64 = 0x6c6c_7265_7a6f_6e65 // "llrezone"

// takeTurn makes a re-zone wait until those that were requested before have ended. So the
// one that was requested last has the last word on a log, however many processes work.
// Purges take turns likewise. Other jobs take none. If it isn't the turn of the job,
// takeTurn returns an error by which River tries again soon.
func takeTurn(ctx context.Context, connection *pgx.Conn, job *river.Job[Args]) error {
	const wait = time.Second
	lock := rezoneLock
	switch {
	case job.Args.IsPurge():
		lock = purgeLock
	case !job.Args.IsRezone():
		return nil
	}
	query := `
		SELECT EXISTS (
		    SELECT FROM ` + pgx.Identifier{river.ClientFromContext[pgx.Tx](ctx).Schema(), "river_job"}.Sanitize() + `
		    WHERE queue = @queue AND id < @id AND finalized_at IS NULL
		)`
	var older, alone bool
	err := connection.QueryRow(ctx, query, pgx.NamedArgs{"queue": job.Args.queue(), "id": job.ID}).Scan(&older)
	if err == nil && !older {
		err = connection.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, lock).Scan(&alone)
	}
	if err != nil {
		return fmt.Errorf("waiting for others in the queue %s: %w", job.Args.queue(), err)
	}
	if !alone {
		return river.JobSnooze(wait)
	}
	return nil
}

// maxLocked limits the logs of a chunk that is re-zoned or purged. Its logs are locked until
// it is committed, so that nobody can void them meanwhile.
const maxLocked = 20_000

// RezoneChunk gives the logs of the first chunk of a part the offsets of a zone, and moves
// their sums to the dates that result. Logs whose client said the zone or the offset stay
// as they are, and so do logs that were voided. The dates of the scope are UTC's, which a
// re-zone doesn't change: so a range means the same logs when it is re-zoned again, and
// adjacent ranges have no log in common.
//
// One statement changes the logs and their sums. It takes its locks in the same order as
// the statements that record and void logs: first logs, by request id, then rows of the
// rollup. So nobody is locked out for longer than a chunk takes, and sums are right at
// every commit.
func RezoneChunk(
	ctx context.Context, tx pgx.Tx, scope Scope, part Part, options ChunkOptions, zone *time.Location,
) (Chunk, error) {
	tables, err := prepare(ctx, tx)
	if err != nil {
		return Chunk{}, fmt.Errorf("preparing a chunk: %w", err)
	}
	// Differences may be added in any order, so a month needn't be in one chunk.
	options.MaxLogs, options.cutAt = min(options.MaxLogs, maxLocked), rollup.Day
	users, rest, err := scope.cut(ctx, tx, tables, part, options)
	if err != nil {
		return Chunk{}, fmt.Errorf("finding the logs of a chunk: %w", err)
	}
	arguments := users.arguments(scope)
	arguments["lower"], arguments["upper"] = scope.periods(rollup.Day).within(users.window).inUTC()
	chunk := Chunk{Rest: rest}
	count := `SELECT count(DISTINCT user_id), count(*) FROM ` + rollup.LogsSQL("learning_log") + ` AS logs WHERE ` + users.logsSQL()
	if err := tx.QueryRow(ctx, count, arguments).Scan(&chunk.Users, &chunk.Logs); err != nil {
		return Chunk{}, fmt.Errorf("counting the logs of a chunk: %w", err)
	}
	if part.At != nil {
		chunk.Users = 0
	}
	chunk.Walked = max(chunk.Logs, users.passed)
	maps.Copy(arguments, offsetsOf(zone, time.Now()))
	if chunk.Rezoned, err = tables.rezone(ctx, tx, users, zone, arguments); err != nil {
		return Chunk{}, fmt.Errorf("re-zoning logs: %w", err)
	}
	return chunk, nil
}

// logsSQL is a condition for the logs in the range.
func (r userRange) logsSQL() string {
	return r.usersSQL() + ` AND "timestamp" >= @lower AND "timestamp" < @upper`
}

// misplacedSQL is a condition for the logs in the range that have another offset than the
// zone, and whose clients said none.
func (r userRange) misplacedSQL() string {
	return r.logsSQL() + ` AND ` + rollup.CountsSQL + ` AND NOT offset_given AND utc_offset <> ` + zoneOffsetSQL
}

// zoneOffsetSQL is an expression for the offset of the zone at the time of a log.
const zoneOffsetSQL = `(@offsets::smallint[])[width_bucket("timestamp", @starts::timestamptz[])]`

// rezoneSQL returns the statement that re-zones the logs in the range. PostgreSQL has
// locked all of them when the array of their request ids is complete, before it changes
// the first one. The locked logs are those that are changed, so their old sums need no
// join: without statistics, PostgreSQL might compare every log with all others.
func (r userRange) rezoneSQL() string {
	return `
	WITH wrong AS MATERIALIZED (
	    SELECT * FROM learning_log
	    WHERE ` + r.misplacedSQL() + `
	    ORDER BY request_id
	    FOR UPDATE
	), rezoned AS (
	    UPDATE learning_log SET utc_offset = ` + zoneOffsetSQL + `, changed_at = now()
	    WHERE request_id = ANY(ARRAY(SELECT request_id FROM wrong))
	    RETURNING *
	), moved AS (` + rollup.AddSQL(`(
	    SELECT * FROM `+rollup.SumsSQL(
		`(SELECT * FROM `+rollup.OppositeSQL("wrong")+` AS w UNION ALL SELECT * FROM `+rollup.LogsSQL("rezoned")+` AS r)`)+` AS sums
	    WHERE words <> 0 OR entries <> 0
	)`) + `
	)
	SELECT count(*) FROM rezoned`
}

// offsetsOf returns the offsets of a zone as parameters: since when each holds. They are
// complete until a century after now.
func offsetsOf(zone *time.Location, now time.Time) pgx.NamedArgs {
	starts := []pgtype.Timestamptz{{InfinityModifier: pgtype.NegativeInfinity, Valid: true}}
	offsets := []int16{int16(rollup.OffsetAt(time.Time{}, zone))}
	at, end := (time.Time{}).In(zone), now.AddDate(100, 0, 0)
	for at.Before(end) {
		_, change := at.ZoneBounds()
		if change.IsZero() {
			break // there are no more
		}
		if !change.After(at) { // a bug of the package time at the end of leap years
			at = at.Add(24 * time.Hour)
			continue
		}
		at = change
		starts = append(starts, pgtype.Timestamptz{Time: at, Valid: true})
		offsets = append(offsets, int16(rollup.OffsetAt(at, zone)))
	}
	return pgx.NamedArgs{"starts": starts, "offsets": offsets}
}
