package rollup

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// rebuildCursor is where a rebuild goes on. Its zero value is the beginning.
type rebuildCursor struct {
	Begun bool `json:"begun"`
	// BeganAt is when that was, by the database's clock, which is also that of
	// recorded_at.
	BeganAt time.Time `json:"began_at"`
	// Parts is what is left of the parts that the scope was divided into; nil is
	// nothing.
	Parts []*Part `json:"parts"`
	// NextUser is, of a routine, with whom the sample of the next one begins.
	NextUser uuid.UUID `json:"next_user"`
}

// isEnd says whether nothing is left.
func (c rebuildCursor) isEnd() bool {
	return c.Begun && !slices.ContainsFunc(c.Parts, func(part *Part) bool { return part != nil })
}

// rebuilding is an attempt at a rebuild. Its workers take a part each and go on
// with the next when they are through.
type rebuilding struct {
	worker *RebuildWorker
	job    *river.Job[RebuildArgs]
	limit  *rate.Limiter

	mu       sync.Mutex // held while a chunk is committed with what follows from it
	cursor   rebuildCursor
	progress RebuildProgress
	counted  time.Time // until when progress.Seconds counts
	taken    []bool    // the parts that have a worker, or need none any more
}

// resume goes on at the cursor. A job that is worked although nothing is left was
// completed and then, as people may with River's own tools, made available again:
// it begins anew, as what it found is out of date.
func (w *RebuildWorker) resume(job *river.Job[RebuildArgs], cursor rebuildCursor) (*rebuilding, error) {
	r := &rebuilding{worker: w, job: job, limit: rate.NewLimiter(rate.Inf, 0), cursor: cursor, counted: time.Now()}
	if perSecond := job.Args.MaxLogsPerSecond; perSecond > 0 {
		r.limit = rate.NewLimiter(rate.Limit(perSecond), perSecond)
		r.limit.ReserveN(time.Now(), perSecond) // which it would otherwise grant at once
	}
	if cursor.isEnd() {
		r.cursor = rebuildCursor{}
		return r, nil
	}
	if output := job.Output(); len(output) > 0 {
		if err := json.Unmarshal(output, &r.progress); err != nil {
			return nil, fmt.Errorf("decoding the progress of the rebuild: %w", err)
		}
	}
	return r, nil
}

func (r *rebuilding) run(ctx context.Context, first *pgx.Conn) error {
	if !r.cursor.Begun {
		if err := r.begin(ctx, first); err != nil {
			return err
		}
	}
	parts := len(r.cursor.Parts)
	r.taken = make([]bool, parts)
	workers, ctx := errgroup.WithContext(ctx)
	workers.Go(func() error { return r.work(ctx, first) })
	for range min(r.job.Args.Workers, parts) - 1 {
		if !r.worker.spare.TryAcquire(1) {
			break // the service needs the connections that are left
		}
		workers.Go(func() error {
			defer r.worker.spare.Release(1)
			connection, err := r.worker.Pool.Acquire(ctx)
			if err != nil {
				return fmt.Errorf("connecting another worker: %w", err)
			}
			defer connection.Release()
			return r.work(ctx, connection.Conn())
		})
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	r.report(ctx)
	return nil
}

// begin divides the scope into parts.
func (r *rebuilding) begin(ctx context.Context, connection *pgx.Conn) error {
	return r.commit(ctx, connection, func(tx pgx.Tx) (change, error) {
		cursor, expected := rebuildCursor{Begun: true}, int64(0)
		err := tx.QueryRow(ctx, `SELECT now()`).Scan(&cursor.BeganAt)
		if err != nil {
			return nil, fmt.Errorf("beginning the rebuild: %w", err)
		}
		if r.job.Args.Routine {
			cursor.Parts, cursor.NextUser, err = beginRoutine(ctx, tx, r.job.Args)
		} else {
			cursor.Parts, expected, err = r.divide(ctx, tx)
		}
		if err != nil {
			return nil, err
		}
		return func(now *rebuildCursor, progress *RebuildProgress) {
			*now = cursor
			progress.LogsExpected = expected
		}, nil
	})
}

// divide divides the scope among the workers, and says about how many logs it has.
// They get several parts each, as parts are never quite the same work. Whoever was
// recorded since is one part: to list them goes through the same logs for each.
func (r *rebuilding) divide(ctx context.Context, tx pgx.Tx) (parts []*Part, expected int64, err error) {
	const partsPerWorker = 8
	n := 1
	if r.job.Args.Workers > 1 && r.job.Args.Scope.RecordedSince == nil {
		n = r.job.Args.Workers * partsPerWorker
	}
	divided, err := Split(ctx, tx, n)
	if err != nil {
		return nil, 0, err
	}
	for _, part := range divided {
		parts = append(parts, &part)
	}
	expected, err = r.job.Args.Scope.expectedLogs(ctx, tx, r.worker.Zone)
	return parts, expected, err
}

// work rebuilds parts until all are taken.
func (r *rebuilding) work(ctx context.Context, connection *pgx.Conn) error {
	read := int64(0)
	for {
		i, ok := r.take()
		if !ok {
			return nil
		}
		for part := r.part(i); part != nil; part = r.part(i) {
			err := r.rest(ctx, read)
			if err != nil {
				return err
			}
			if read, err = r.chunk(ctx, connection, i, *part); err != nil {
				return err
			}
		}
	}
}

func (r *rebuilding) take() (part int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.taken, false)
	if i < 0 {
		return 0, false
	}
	r.taken[i] = true
	return i, true
}

func (r *rebuilding) part(i int) *Part {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cursor.Parts[i]
}

// chunk rebuilds the next chunk of a part, and returns how many logs it went through.
func (r *rebuilding) chunk(ctx context.Context, connection *pgx.Conn, i int, part Part) (read int64, err error) {
	args := r.job.Args
	options := ChunkOptions{MaxLogs: r.chunkLogs(), DryRun: args.DryRun, Zone: r.worker.Zone}
	err = r.commit(ctx, connection, func(tx pgx.Tx) (change, error) {
		chunk, err := RebuildChunk(ctx, tx, args.Scope, part, options)
		if err != nil {
			return nil, err
		}
		read = chunk.Walked
		return func(cursor *rebuildCursor, progress *RebuildProgress) {
			cursor.Parts = slices.Clone(cursor.Parts)
			cursor.Parts[i] = chunk.Rest
			if chunk.Rest != nil && chunk.Rest.Sample != nil && chunk.Rest.Sample.End != nil {
				cursor.NextUser = *chunk.Rest.Sample.End
			}
			*progress = progress.after(chunk, args.DryRun)
		}, nil
	})
	return read, err
}

// chunkLogs is how many logs a chunk has. Where the rebuild is held back, its
// chunks are small, so that what it takes is spread evenly.
func (r *rebuilding) chunkLogs() int {
	const chunksPerSecond, least = 10, 1000
	if perSecond := r.job.Args.MaxLogsPerSecond; perSecond > 0 {
		return min(r.worker.ChunkLogs, max(least, perSecond/chunksPerSecond))
	}
	return r.worker.ChunkLogs
}

// rest waits for as long as the rebuild was faster than it may be.
func (r *rebuilding) rest(ctx context.Context, read int64) error {
	for read > 0 && r.limit.Limit() != rate.Inf {
		n := min(int(read), r.limit.Burst())
		if err := r.limit.WaitN(ctx, n); err != nil {
			return err
		}
		read -= int64(n)
	}
	return nil
}

// change is what follows from a transaction, if it is committed.
type change func(*rebuildCursor, *RebuildProgress)

// commit does work in a transaction and commits it together with what follows
// from it.
func (r *rebuilding) commit(ctx context.Context, connection *pgx.Conn, work func(pgx.Tx) (change, error)) error {
	return Retry(ctx, func() error {
		tx, err := connection.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
		if err != nil {
			return err
		}
		defer rollBack(ctx, tx) // of what isn't committed
		follows, err := work(tx)
		if err != nil {
			return err
		}

		r.mu.Lock()
		defer r.mu.Unlock()
		now, cursor, progress := time.Now(), r.cursor, r.progress
		follows(&cursor, &progress)
		progress.Seconds += now.Sub(r.counted).Seconds()
		if err := checkpoint(ctx, tx, r.job, cursor, progress); err != nil {
			return err
		}
		if cursor.isEnd() {
			if err := end(ctx, tx, r.job, cursor, progress); err != nil {
				return err
			}
		}
		if err := tx.Commit(ctx); err != nil {
			return err
		}
		r.cursor, r.progress, r.counted = cursor, progress, now
		return nil
	})
}

// rollBack ends a transaction also when ctx has ended. Where it fails, the
// connection is broken: the server rolls back by itself, and what failed before
// says more.
func rollBack(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = tx.Rollback(ctx)
}

// checkpoint writes how far the job has come: the progress for whoever watches,
// the cursor for whoever resumes it.
func checkpoint(
	ctx context.Context, tx pgx.Tx, job *river.Job[RebuildArgs], cursor rebuildCursor, progress RebuildProgress,
) error {
	client := river.ClientFromContext[pgx.Tx](ctx)
	now, err := client.JobUpdateTx(ctx, tx, job.ID, &river.JobUpdateParams{Output: progress})
	if err != nil {
		return fmt.Errorf("writing the progress of the rebuild: %w", err)
	}
	if err := checkAttempt(job, now); err != nil {
		return err
	}
	if _, err := river.ResumableSetStepCursorTx[*riverpgxv5.Driver](ctx, tx, job, cursor); err != nil {
		return fmt.Errorf("writing the cursor of the rebuild: %w", err)
	}
	return nil
}

// end completes the job together with its last chunk. Left to River, that would
// be a moment later; and a crash in that moment would have it all done again.
func end(
	ctx context.Context, tx pgx.Tx, job *river.Job[RebuildArgs], cursor rebuildCursor, progress RebuildProgress,
) error {
	if err := keepVerification(ctx, tx, job, cursor, progress); err != nil {
		return err
	}
	if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job); err != nil {
		return fmt.Errorf("completing the rebuild: %w", err)
	}
	return nil
}

func (r *rebuilding) report(ctx context.Context) {
	progress, level, what := r.progress, slog.LevelInfo, "rebuild done"
	switch {
	case r.job.Args.Routine:
		what = "routine verification done"
	case r.job.Args.DryRun:
		what = "verify done"
	}
	found := []slog.Attr{
		slog.Int64("rebuild", r.job.ID),
		slog.Int64("users", progress.UsersDone), slog.Int64("logs", progress.LogsDone),
		slog.Int64("drifted", progress.RowsDrifted), slog.Int64("repaired", progress.RowsRepaired),
		slog.Float64("seconds", progress.Seconds),
	}
	if progress.RowsDrifted > 0 {
		const shown = 3
		level = slog.LevelWarn
		found = append(found, slog.Any("worst", progress.Examples[:min(shown, len(progress.Examples))]))
	}
	r.worker.Logger.LogAttrs(ctx, level, what, found...)
}
