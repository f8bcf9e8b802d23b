package rollup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
)

// MaxExamples is how many drifted rows a rebuild keeps to show. It counts all.
const MaxExamples = 200

// RebuildArgs are the arguments of the River job that rebuilds a scope. While a
// job with the same arguments waits or runs, inserting another returns that one.
type RebuildArgs struct {
	Scope
	// DryRun finds drift and leaves it.
	DryRun bool `json:"dry_run,omitempty"`
}

// Kind is the name of the job in River's tables.
func (RebuildArgs) Kind() string { return "rebuild" }

// InsertOpts makes the job unique among those that haven't ended. River's
// default counts completed jobs too, and would refuse a second rebuild.
func (RebuildArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		UniqueOpts: river.UniqueOpts{
			ByArgs: true,
			ByState: []rivertype.JobState{
				rivertype.JobStateAvailable,
				rivertype.JobStatePending,
				rivertype.JobStateRetryable,
				rivertype.JobStateRunning,
				rivertype.JobStateScheduled,
			},
		},
	}
}

// RebuildProgress is how far a rebuild has come. It is the output of its job,
// committed together with each chunk.
type RebuildProgress struct {
	UsersDone int64 `json:"users_done"`
	LogsDone  int64 `json:"logs_done"`
	// RowsDrifted counts the rows of the rollup that were wrong, RowsRepaired
	// those that were put right: as many, or none in a dry run.
	RowsDrifted  int64 `json:"rows_drifted"`
	RowsRepaired int64 `json:"rows_repaired"`
	// Examples has the first drifted rows in key order, at most [MaxExamples].
	Examples []Drift `json:"examples"`
}

func (p RebuildProgress) after(chunk Chunk, dryRun bool) RebuildProgress {
	p.UsersDone += chunk.Users
	p.LogsDone += chunk.Logs
	p.RowsDrifted += int64(len(chunk.Drift))
	if !dryRun {
		p.RowsRepaired += int64(len(chunk.Drift))
	}
	room := max(0, MaxExamples-len(p.Examples))
	p.Examples = slices.Concat(p.Examples, chunk.Drift[:min(room, len(chunk.Drift))])
	return p
}

// RebuildWorker works the jobs that [RebuildArgs] describes, chunk by chunk, a
// transaction each. What a chunk repaired, how far the job has come and where it
// goes on are committed together, so that a crash repeats at most the chunk in
// which it happened.
type RebuildWorker struct {
	river.WorkerDefaults[RebuildArgs]

	Pool   *pgxpool.Pool
	Zone   *time.Location
	Logger *slog.Logger
	// ChunkLogs bounds the logs of one chunk, and with them how long its
	// transaction takes.
	ChunkLogs int
}

// Timeout is none: a rebuild takes as long as it takes. River never rescues such
// a job after a crash, so [Jobs] does.
func (*RebuildWorker) Timeout(*river.Job[RebuildArgs]) time.Duration { return -1 }

// NextRetry is soon: what makes a rebuild fail is a database that is away.
func (*RebuildWorker) NextRetry(job *river.Job[RebuildArgs]) time.Time {
	const shortest, longest = time.Second, time.Minute
	return time.Now().Add(min(shortest<<min(job.Attempt, 10), longest))
}

// rebuildCursor is where a rebuild goes on. Its zero value is the beginning.
type rebuildCursor struct {
	From     uuid.UUID       `json:"from"`
	Done     bool            `json:"done"`
	Progress RebuildProgress `json:"progress"`
}

// Work rebuilds the job's scope from its cursor on. Where the client stops, the
// job is handed on at once; where the job is cancelled, it ends. In both cases
// what was repaired stays repaired.
func (w *RebuildWorker) Work(ctx context.Context, job *river.Job[RebuildArgs]) error {
	connection, err := holdJob(ctx, w.Pool, job.ID)
	if err != nil {
		return fmt.Errorf("starting the rebuild: %w", err)
	}
	defer releaseJob(ctx, connection, job.ID)
	if mine, err := isStillMine(ctx, job); err != nil || !mine {
		return err
	}

	river.ResumableStepCursor(ctx, "chunks", nil, func(ctx context.Context, cursor rebuildCursor) error {
		err := w.rebuild(ctx, connection.Conn(), job, cursor)
		if ctx.Err() != nil {
			return context.Cause(ctx) // which tells River a stop from a cancellation
		}
		return err
	})
	return nil
}

// errTakenOver is the error of an attempt whose job another attempt went on with.
var errTakenOver = errors.New("another attempt has gone on with this rebuild")

// isStillMine looks again at a job that may have waited for its lock, or for a
// database that was away. River writes down late what became of an attempt that
// failed in an outage, and may then have ended a later one too: if the job isn't
// running, there is nothing to do; if another attempt has gone on with it, this
// one's cursor is old, and the next attempt will have the new one.
func isStillMine(ctx context.Context, job *river.Job[RebuildArgs]) (bool, error) {
	now, err := river.ClientFromContext[pgx.Tx](ctx).JobGet(ctx, job.ID)
	switch {
	case err != nil:
		return false, fmt.Errorf("looking at the job again: %w", err)
	case now.State != rivertype.JobStateRunning:
		return false, nil
	case now.Attempt != job.Attempt || !bytes.Equal(now.Metadata, job.Metadata):
		return false, errTakenOver
	}
	return true, nil
}

func (w *RebuildWorker) rebuild(
	ctx context.Context, connection *pgx.Conn, job *river.Job[RebuildArgs], cursor rebuildCursor,
) error {
	started := time.Now()
	for !cursor.Done {
		var next rebuildCursor
		err := Retry(ctx, func() (err error) {
			next, err = w.rebuildChunk(ctx, connection, job, cursor)
			return err
		})
		if err != nil {
			return err
		}
		cursor = next
	}

	progress, level, what := cursor.Progress, slog.LevelInfo, "rebuild done"
	if job.Args.DryRun {
		what = "verify done"
	}
	if progress.RowsDrifted > 0 {
		level = slog.LevelWarn
	}
	w.Logger.Log(ctx, level, what,
		"rebuild", job.ID,
		"users", progress.UsersDone, "logs", progress.LogsDone,
		"drifted", progress.RowsDrifted, "repaired", progress.RowsRepaired,
		"took", time.Since(started))
	return nil
}

// rebuildChunk rebuilds the chunk at cursor and commits it together with the
// cursor after it.
func (w *RebuildWorker) rebuildChunk(
	ctx context.Context, connection *pgx.Conn, job *river.Job[RebuildArgs], cursor rebuildCursor,
) (next rebuildCursor, err error) {
	options := ChunkOptions{MaxLogs: w.ChunkLogs, DryRun: job.Args.DryRun, Zone: w.Zone}
	readCommitted := pgx.TxOptions{IsoLevel: pgx.ReadCommitted}
	err = pgx.BeginTxFunc(ctx, connection, readCommitted, func(tx pgx.Tx) error {
		chunk, err := RebuildChunk(ctx, tx, job.Args.Scope, cursor.From, options)
		if err != nil {
			return err
		}
		next = rebuildCursor{
			From:     chunk.Next,
			Done:     chunk.Last,
			Progress: cursor.Progress.after(chunk, options.DryRun),
		}
		return checkpoint(ctx, tx, job, next)
	})
	return next, err
}

// checkpoint writes how far the job has come: the progress for whoever watches,
// the cursor for whoever resumes it.
func checkpoint(ctx context.Context, tx pgx.Tx, job *river.Job[RebuildArgs], cursor rebuildCursor) error {
	client := river.ClientFromContext[pgx.Tx](ctx)
	output := &river.JobUpdateParams{Output: cursor.Progress}
	now, err := client.JobUpdateTx(ctx, tx, job.ID, output)
	if err != nil {
		return fmt.Errorf("writing the progress of the rebuild: %w", err)
	}
	if now.State != rivertype.JobStateRunning || now.Attempt != job.Attempt {
		return errTakenOver
	}
	if _, err := river.ResumableSetStepCursorTx[*riverpgxv5.Driver](ctx, tx, job, cursor); err != nil {
		return fmt.Errorf("writing the cursor of the rebuild: %w", err)
	}
	return nil
}
