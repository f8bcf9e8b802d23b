package rebuild

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"learninglog/internal/horizon"
	"learninglog/rollup"
)

const (
	// purgeQueue is separate from the default queue, so that a long purge keeps no rebuild
	// waiting.
	purgeQueue = "purge"
	// purgeLock is the key of the session-level advisory lock that a purge holds, so that
	// there is only one at a time.
	purgeLock int64 = 0x6c6c_7075_7267_6521 // "llpurge!"
	// purgeEvery is how often a service purges by itself.
	purgeEvery = 24 * time.Hour
	// periodicTag marks the jobs that services begin by themselves in a queue with others.
	periodicTag = "periodic"
	// bytesPerLog is about what a log takes in the table and in its indexes, as services write
	// them. The sizes of these by the number of logs would be far more, as long as they have
	// room that an earlier purge has made.
	bytesPerLog = 230
)

// MaxPurgeDays is the largest number of days that a purge may keep.
const MaxPurgeDays = 36_500

// CheckPurgeDays returns nil if logs may be purged that are older than so many days. The
// text of its error completes a sentence that begins with the name of the number.
func CheckPurgeDays(days int) error {
	if days < 1 || days > MaxPurgeDays {
		return fmt.Errorf("must be from 1 to %d days", MaxPurgeDays)
	}
	return nil
}

// purgedBefore returns the instant before which a purge that is about to begin deletes logs.
// All processes refuse such logs when it returns, unless the purge is dry.
//
// An attempt that follows an interruption doesn't raise the horizon by the moments that have
// passed. So it needn't wait as long once more.
func (a *attempt) purgedBefore(ctx context.Context, connection *pgx.Conn) (before time.Time, err error) {
	const day = 24 * time.Hour
	keep, settle := time.Duration(a.job.Args.PurgeOlderThanDays)*day, a.worker.SettleTime
	err = connection.QueryRow(ctx, `SELECT now() - $1::interval`, keep+horizon.Margin).Scan(&before)
	if err != nil || a.job.Args.DryRun {
		return before, err
	}
	known, err := horizon.Read(ctx, connection, settle)
	if err != nil {
		return before, err
	}
	if err := horizon.Raise(ctx, connection, keep, horizon.Step); err != nil {
		return before, err
	}
	if known.Settled && !known.RefusedBefore.Before(before) {
		return before, nil
	}
	select {
	case <-ctx.Done():
		return before, ctx.Err()
	case <-time.After(settle):
		return before, nil
	}
}

// purgeCost is how many logs are charged to the pace for one that is purged, besides that it
// was read: deleting one costs more, and clients would notice it.
const purgeCost = 4

// PurgeChunk deletes the logs of the first chunk of a part that are before an instant, and
// adds what they counted for to the sealed days of their learners. So the truth is the same
// before and after, and no rollup is touched. If it is dry, it only counts the logs.
//
// Users whose rollups have drifted are left as they are: their logs tell what happened.
//
// One statement deletes the logs and adds them to the sealed days. It takes its locks in
// the same order as the statements that record and void logs: first logs, by request id,
// and then sealed days, by their key.
//
// A chunk has only so many logs that count. Logs that were voided don't count, but they are
// locked too: if there are more than that, the rest is the same chunk again.
func PurgeChunk(ctx context.Context, tx pgx.Tx, before time.Time, part Part, options ChunkOptions) (Chunk, error) {
	tables, err := prepare(ctx, tx)
	if err != nil {
		return Chunk{}, fmt.Errorf("preparing a chunk: %w", err)
	}
	scope := Scope{To: new(rollup.MaxOffset.DateAt(before))} // the last date that such a log may have
	options.MaxLogs, options.cutAt = min(options.MaxLogs, maxLocked), rollup.Month
	users, rest, err := scope.cut(ctx, tx, tables, part, options)
	if err != nil {
		return Chunk{}, fmt.Errorf("finding the logs of a chunk: %w", err)
	}
	found, err := compare(ctx, tx, users, scope, func(Drift) {})
	if err != nil {
		return Chunk{}, err
	}
	chunk := Chunk{
		Users: found.users, Logs: found.logs, Walked: walked(found, users),
		Drifted: found.drifted, Examples: found.examples, Rest: rest,
	}
	if part.At != nil {
		chunk.Users = 0
	}
	arguments := users.arguments(scope)
	arguments["before"], arguments["drifted"] = before, found.driftedUsers()
	if options.DryRun {
		err = tx.QueryRow(ctx, `SELECT count(*) FROM `+users.oldSQL("user_id", "")+` AS old`, arguments).Scan(&chunk.Purged)
	} else {
		var voided int64
		chunk.Purged, voided, err = tables.seal(ctx, tx, users, int64(options.MaxLogs), arguments)
		chunk.Walked += voided + purgeCost*chunk.Purged
		if err == nil && voided >= int64(options.MaxLogs) { // there may be more
			return Chunk{Logs: chunk.Logs, Walked: chunk.Walked, Purged: chunk.Purged, Rest: &part}, nil
		}
	}
	if err != nil {
		return Chunk{}, fmt.Errorf("sealing days: %w", err)
	}
	return chunk, nil
}

// driftedUsers returns the users who have a drifted row.
func (c compared) driftedUsers() []uuid.UUID {
	users := []uuid.UUID{}
	for user, drifted := range c.wrong {
		if drifted {
			users = append(users, user)
		}
	}
	return users
}

// oldSQL returns a query, in parentheses, of columns of the logs in the range that are to
// be purged. Logs that count and logs that were voided are in different indexes. For the
// latter there may be a limit. (A cluster couldn't pass a query with one on to its shards.)
func (r userRange) oldSQL(columns, limitVoided string) string {
	old := `
	    SELECT ` + columns + ` FROM learning_log
	    WHERE ` + r.usersSQL() + ` AND user_id <> ALL(@drifted::uuid[])
	      AND "timestamp" >= @logs_lower AND "timestamp" < least(@logs_upper, @before::timestamptz)
	      AND ` + rollup.DateSQL + ` >= @day_first AND ` + rollup.DateSQL + ` < @day_end
	      AND voided_at `
	return `(` + old + `IS NULL UNION ALL (` + old + `IS NOT NULL ` + limitVoided + `))`
}

// addSealedSQL adds rows to the sealed days, in the order of their key.
func addSealedSQL(rows string) string {
	return `
	    INSERT INTO learning_log_sealed_days AS s (user_id, day, total_word_count, entry_count) ` + rows + `
	    ON CONFLICT (user_id, day) DO UPDATE SET
	        total_word_count = s.total_word_count + excluded.total_word_count,
	        entry_count = s.entry_count + excluded.entry_count`
}

// sealSQL returns the statement that purges the logs in the range. Those that are voided or
// re-zoned while it waits for them are deleted as they are then, because the deletion
// follows each row to its latest version.
func (r userRange) sealSQL() string {
	return `
	WITH old AS MATERIALIZED (
	    SELECT request_id FROM learning_log
	    WHERE request_id = ANY(ARRAY(SELECT request_id FROM ` + r.oldSQL("request_id", "LIMIT @most") + ` AS o))
	    ORDER BY request_id
	    FOR UPDATE
	), gone AS (
	    DELETE FROM learning_log
	    WHERE request_id = ANY(ARRAY(SELECT request_id FROM old))
	    RETURNING *
	), sealed AS (` + addSealedSQL(`
	    SELECT user_id, `+rollup.DateSQL+` AS day, sum(words), sum(entries)
	    FROM `+rollup.LogsSQL("gone")+` AS logs
	    GROUP BY 1, 2 ORDER BY 1, 2`) + `
	)
	SELECT count(*), count(voided_at) FROM gone`
}

func (atOneServer) seal(ctx context.Context, tx pgx.Tx, of userRange, most int64, arguments pgx.NamedArgs) (purged, voided int64, err error) {
	arguments["most"] = most
	err = tx.QueryRow(ctx, of.sealSQL(), arguments).Scan(&purged, &voided)
	return purged, voided, err
}

// periodicPurge returns the job that begins a purge whenever one is due: as for routines,
// see [Jobs.periodic].
func (j *Jobs) periodicPurge(ctx context.Context) *river.PeriodicJob {
	const checkEvery = time.Minute
	begin := func() (river.JobArgs, *river.InsertOpts) {
		due, err := j.isPurgeDue(ctx)
		if err != nil && ctx.Err() == nil {
			j.logger.WarnContext(ctx, "looking whether a purge is due failed", "error", err)
		}
		if err != nil || !due {
			return nil, nil
		}
		return Args{PurgeOlderThanDays: j.keepDays, MaxLogsPerSecond: DefaultPace}, &river.InsertOpts{Tags: []string{periodicTag}}
	}
	return river.NewPeriodicJob(river.PeriodicInterval(checkEvery), begin, &river.PeriodicJobOpts{RunOnStart: true})
}

// isPurgeDue reports whether no periodic purge is waiting or running, and none was begun
// within a day, even a cancelled one.
func (j *Jobs) isPurgeDue(ctx context.Context) (due bool, err error) {
	const timeout = 2 * time.Second // River's leader waits for it
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	query := `
		SELECT NOT EXISTS (
		    SELECT FROM ` + j.table() + `
		    WHERE queue = @queue AND @tag = ANY(tags) AND (finalized_at IS NULL OR created_at > now() - @every::interval)
		)`
	err = j.pool.QueryRow(ctx, query, pgx.NamedArgs{"queue": purgeQueue, "tag": periodicTag, "every": purgeEvery}).Scan(&due)
	return due, err
}
