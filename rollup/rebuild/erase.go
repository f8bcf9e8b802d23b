package rebuild

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"learninglog/internal/sharding"
	"learninglog/learning"
	"learninglog/rollup"
)

// eraseQueue is separate from the others, so that nobody who wants to be forgotten waits for
// a rebuild.
const eraseQueue = "erase"

// maxErased limits the logs that are deleted in one transaction, because they are locked until
// it ends.
const maxErased = 20_000

// Forget deletes what others know of a user who is erased. It is called when what was there at
// first is deleted, and in the transaction after which nothing is left.
type Forget func(ctx context.Context, tx pgx.Tx, user uuid.UUID) error

// eraser deletes what there is of those who are on the list of erased users.
//
// It deletes logs chunk by chunk, sealed days and settings, and takes from the rollups what they counted for, in the
// same commit: so sums are right at every commit, whoever writes meanwhile. Then it waits
// until every process that writes must know that the user was erased, and until whatever was
// being written then is written. It looks once more, deletes what has come meanwhile, and the
// rows of the rollup that are left, whatever is in them: nobody adds to them any more.
type eraser struct {
	schema string // of River's tables
	// settles is how long after everybody can see an erasure nobody begins to write logs of
	// that user. When it was committed nobody knows; but when it was worked at, it was.
	settles time.Duration
	forget  []Forget
}

// pendingErasure is an erasure that isn't done.
type pendingErasure struct {
	UserID  uuid.UUID
	Emptied bool    // what was there at first is deleted
	Settled float64 // seconds since when nobody begins to write logs of the user; negative until then
}

// chunk does the next transaction of the job. The part that it returns is nil if nothing is
// left to erase.
func (e *eraser) chunk(ctx context.Context, tx pgx.Tx, jobID int64, part Part, maxLogs int) (Chunk, error) {
	tables, err := layoutOf(ctx, tx)
	if err != nil {
		return Chunk{}, err
	}
	pending, err := e.pending(ctx, tx)
	if err != nil {
		return Chunk{}, fmt.Errorf("looking for whom to erase: %w", err)
	}
	if len(pending) == 0 {
		return Chunk{}, nil
	}
	maxLogs = min(maxLogs, maxErased)
	chunk := Chunk{Rest: &part}
	if next := pending[0]; !next.Emptied {
		chunk.Logs, err = e.empty(ctx, tx, next.UserID, maxLogs)
		chunk.Walked = chunk.Logs
		if err != nil {
			return Chunk{}, fmt.Errorf("erasing a user: %w", err)
		}
		return chunk, nil
	}
	var oldest float64
	if pending[0].Settled >= 0 { // it is the first for whom it is time
		if oldest, err = tables.oldestWriter(ctx, tx); err != nil {
			return Chunk{}, fmt.Errorf("looking for who writes logs: %w", err)
		}
	}
	for _, next := range pending {
		if next.Settled < oldest {
			break // as it is for all who were erased later
		}
		logs, done, err := e.finish(ctx, tx, jobID, next, maxLogs)
		if err != nil {
			return Chunk{}, fmt.Errorf("erasing what is left of a user: %w", err)
		}
		chunk.Logs += logs
		chunk.Walked = chunk.Logs
		if done {
			chunk.Users++
		}
		if logs > 0 || done {
			return chunk, nil
		}
	}
	chunk.Wait = lookAgainAfter
	return chunk, nil
}

// lookAgainAfter is how long to wait while there is nothing to do yet.
const lookAgainAfter = 500 * time.Millisecond

// pending returns some of the erasures that aren't done: first those of whom nothing is
// deleted yet, then the oldest. They are locked, so that none is taken back meanwhile.
func (e *eraser) pending(ctx context.Context, tx pgx.Tx) ([]pendingErasure, error) {
	rows, err := tx.Query(ctx, `
		SELECT user_id, emptied_at IS NOT NULL, coalesce(extract(epoch FROM now() - emptied_at - $1::interval), -1)::float8
		FROM learninglog_erased_users
		WHERE done_at IS NULL
		ORDER BY emptied_at IS NOT NULL, coalesce(emptied_at, erased_at), user_id
		LIMIT 100
		FOR UPDATE`, e.settles)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[pendingErasure])
}

// empty deletes logs of a user, at most so many, and takes note when these were all.
func (e *eraser) empty(ctx context.Context, tx pgx.Tx, user uuid.UUID, maxLogs int) (logs int64, err error) {
	logs, err = deleteLogs(ctx, tx, user, maxLogs)
	if err != nil || logs == int64(maxLogs) {
		return logs, err
	}
	if err := deleteSealedDays(ctx, tx, user); err != nil {
		return 0, fmt.Errorf("deleting sealed days: %w", err)
	}
	if err := e.forgetElsewhere(ctx, tx, user); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `UPDATE learninglog_erased_users SET emptied_at = greatest(clock_timestamp(), erased_at) WHERE user_id = $1`, user)
	return logs, err
}

// finish deletes everything that is left of a user, if it is time to. Logs that have come
// meanwhile may be many; then it is not done yet.
func (e *eraser) finish(
	ctx context.Context, tx pgx.Tx, jobID int64, of pendingErasure, maxLogs int,
) (logs int64, done bool, err error) {
	named, err := e.isNamed(ctx, tx, jobID, of.UserID)
	if err != nil || named {
		return 0, false, err
	}
	// A repair that is under way would add to rows that are deleted meanwhile, and so make
	// them again.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, rebuildLock); err != nil {
		return 0, false, fmt.Errorf("waiting for a rebuild's chunk: %w", err)
	}
	if logs, err = deleteLogs(ctx, tx, of.UserID, maxLogs); err != nil || logs == int64(maxLogs) {
		return logs, false, err
	}
	// Statements of their own, in this order: whoever makes sealed days of logs has committed
	// before the last log was deleted.
	if _, err := tx.Exec(ctx, `DELETE FROM learning_log_sealed_days WHERE user_id = $1`, of.UserID); err != nil {
		return 0, false, fmt.Errorf("deleting sealed days: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM learning_log_aggregates WHERE user_id = $1`, of.UserID); err != nil {
		return 0, false, fmt.Errorf("deleting rollups: %w", err)
	}
	if err := e.forgetNames(ctx, tx, of.UserID); err != nil {
		return 0, false, err
	}
	// A job that was begun since the look whether it is settled has kept its names.
	if named, err := e.isNamed(ctx, tx, jobID, of.UserID); err != nil || named {
		return logs, false, err
	}
	if err := e.forgetElsewhere(ctx, tx, of.UserID); err != nil {
		return 0, false, err
	}
	_, err = tx.Exec(ctx, `UPDATE learninglog_erased_users SET done_at = greatest(now(), emptied_at) WHERE user_id = $1`, of.UserID)
	return logs, true, err
}

// forgetElsewhere deletes what a user has set, and what others know of the user.
func (e *eraser) forgetElsewhere(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	if _, err := tx.Exec(ctx, `DELETE FROM learning_log_settings WHERE user_id = $1`, user); err != nil {
		return fmt.Errorf("deleting settings: %w", err)
	}
	for _, forget := range e.forget {
		if err := forget(ctx, tx, user); err != nil {
			return err
		}
	}
	return nil
}

// isNamed reports whether a job is being worked that names the user. What such a job knows is
// in its row until it has passed them.
func (e *eraser) isNamed(ctx context.Context, tx pgx.Tx, jobID int64, user uuid.UUID) (named bool, err error) {
	query := `
		SELECT EXISTS (
		    SELECT FROM ` + e.jobTable() + ` WHERE state = 'running' AND id <> @job AND ` + namesSQL + `
		)`
	err = tx.QueryRow(ctx, query, pgx.NamedArgs{"name": user.String(), "job": jobID}).Scan(&named)
	return named, err
}

// namesSQL is a condition for the jobs that name a user, in whatever they say.
const namesSQL = `strpos(concat(args, metadata, errors), @name) > 0`

func (e *eraser) jobTable() string { return pgx.Identifier{e.schema, "river_job"}.Sanitize() }

// forgetNames takes the name of a user out of all jobs that aren't being worked, and out of
// what is kept of verifications. There is no user with the name that takes its place; where a
// job or a verification goes on with the user, that is the next one in key order.
func (e *eraser) forgetNames(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	arguments := pgx.NamedArgs{
		"user": user, "name": user.String(), "nobody": uuid.Nil.String(),
		"next": userAfter(user), "next_name": userAfter(user).String(),
	}
	for _, statement := range []string{
		`UPDATE ` + e.jobTable() + ` SET
		    args = replace(args::text, @name, @nobody)::jsonb,
		    metadata = coalesce(
		        jsonb_set(replace(metadata::text, @name, @nobody)::jsonb, '{river:resumable_cursor}',
		            replace((metadata -> 'river:resumable_cursor')::text, @name, @next_name)::jsonb),
		        replace(metadata::text, @name, @nobody)::jsonb),
		    errors = replace(errors::text, @name, @nobody)::jsonb[]
		WHERE state <> 'running' AND ` + namesSQL,
		`UPDATE learning_log_verifications SET
		    drifted_users = array_remove(drifted_users, @user),
		    next_user = CASE WHEN next_user = @user THEN @next ELSE next_user END
		WHERE @user = ANY(drifted_users) OR next_user = @user`,
	} {
		if _, err := tx.Exec(ctx, statement, arguments); err != nil {
			return fmt.Errorf("taking the name of a user out of jobs: %w", err)
		}
	}
	return nil
}

// deleteLogs deletes logs of a user, voided ones too, at most so many, and takes from the
// rollups what they counted for. It takes its locks in the same order as the statements that
// record and void logs: first logs, by request id, then rows of the rollup. The statements
// are of one user, and the sums are made here: so they are the same wherever the tables are.
func deleteLogs(ctx context.Context, tx pgx.Tx, user uuid.UUID, most int) (deleted int64, err error) {
	rows, err := tx.Query(ctx, `
		(SELECT request_id FROM learning_log WHERE user_id = $1 AND voided_at IS NULL ORDER BY "timestamp" LIMIT $2)
		UNION ALL
		(SELECT request_id FROM learning_log WHERE user_id = $1 AND voided_at IS NOT NULL ORDER BY "timestamp" LIMIT $2)
		LIMIT $2`, user, most)
	if err != nil {
		return 0, err
	}
	requests, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil || len(requests) == 0 {
		return 0, err
	}
	const lock = `SELECT FROM learning_log WHERE user_id = $1 AND request_id = ANY($2::uuid[]) ORDER BY request_id FOR UPDATE`
	if _, err := tx.Exec(ctx, lock, user, requests); err != nil {
		return 0, fmt.Errorf("locking logs: %w", err)
	}
	rows, err = tx.Query(ctx, `
		DELETE FROM learning_log WHERE user_id = $1 AND request_id = ANY($2::uuid[])
		RETURNING `+learning.Columns, user, requests)
	if err != nil {
		return 0, err
	}
	differences := make(sharding.Differences)
	err = learning.ForEach(rows, func(log learning.Log) error {
		deleted++
		if log.VoidedAt.IsZero() {
			differences.Count(log.UserID, log.Date(), log.WordCount, -1)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("deleting logs: %w", err)
	}
	if err := differences.Add(ctx, tx); err != nil {
		return 0, fmt.Errorf("taking logs from the rollups: %w", err)
	}
	return deleted, nil
}

// deleteSealedDays deletes the sealed days of a user, and takes them from the rollups. There is
// one for each day, so they are not many.
func deleteSealedDays(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	rows, err := tx.Query(ctx, `
		DELETE FROM learning_log_sealed_days WHERE user_id = $1
		RETURNING day, total_word_count, entry_count`, user)
	if err != nil {
		return err
	}
	var day time.Time
	var words, entries int64
	differences := make(sharding.Differences)
	_, err = pgx.ForEachRow(rows, []any{&day, &words, &entries}, func() error {
		differences.CountSums(user, rollup.DateOf(day), rollup.Sums{TotalWordCount: -words, EntryCount: -entries})
		return nil
	})
	if err != nil {
		return err
	}
	return differences.Add(ctx, tx)
}

// beginErasing returns the only part of a job that erases, and about how many logs it will
// delete.
func beginErasing(ctx context.Context, tx pgx.Tx) (parts []*Part, expected int64, err error) {
	rows, err := tx.Query(ctx, `SELECT user_id FROM learninglog_erased_users WHERE done_at IS NULL LIMIT $1`, MaxUsers)
	if err != nil {
		return nil, 0, err
	}
	users, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, 0, err
	}
	if len(users) > 0 {
		expected, err = Scope{Users: users}.expectedLogs(ctx, tx, true)
	}
	whole := Whole()
	return []*Part{&whole}, expected, err
}

// eraserOf returns the eraser of a job.
func (w *Worker) eraserOf(ctx context.Context) *eraser {
	return &eraser{schema: river.ClientFromContext[pgx.Tx](ctx).Schema(), settles: w.EraseSettleTime, forget: w.Forget}
}
