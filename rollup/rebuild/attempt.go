package rebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// attempt is an attempt at a rebuild. Its workers take a part each and go on
// with the next when they are through.
type attempt struct {
	worker *Worker
	job    *river.Job[Args]
	limit  *rate.Limiter

	mu       sync.Mutex // held while a chunk is committed with what follows from it
	reached  resumePoint
	progress Progress
	counted  time.Time // until when progress.Seconds counts
	taken    []bool    // the parts that have a worker, or need none any more
}

// resume goes on where the attempt before came to. A job that is worked although nothing is left was
// completed and then, as people may with River's own tools, made available again:
// it begins anew, as what it found is out of date.
func (w *Worker) resume(job *river.Job[Args], from resumePoint) (*attempt, error) {
	a := &attempt{worker: w, job: job, limit: rate.NewLimiter(rate.Inf, 0), reached: from, counted: time.Now()}
	if perSecond := job.Args.MaxLogsPerSecond; perSecond > 0 {
		a.limit = rate.NewLimiter(rate.Limit(perSecond), perSecond)
		a.limit.ReserveN(time.Now(), perSecond) // which it would otherwise grant at once
	}
	if from.isEnd() {
		a.reached = resumePoint{}
		return a, nil
	}
	if output := job.Output(); len(output) > 0 {
		if err := json.Unmarshal(output, &a.progress); err != nil {
			return nil, fmt.Errorf("decoding the progress of the rebuild: %w", err)
		}
	}
	return a, nil
}

func (a *attempt) run(ctx context.Context, first *pgx.Conn) error {
	if !a.reached.Begun {
		if err := a.begin(ctx, first); err != nil {
			return err
		}
	}
	parts := len(a.reached.Parts)
	a.taken = make([]bool, parts)
	workers, ctx := errgroup.WithContext(ctx)
	workers.Go(func() error { return a.work(ctx, first) })
	for range min(a.job.Args.Workers, parts) - 1 {
		if !a.worker.spare.TryAcquire(1) {
			break // the service needs the connections that are left
		}
		workers.Go(func() error {
			defer a.worker.spare.Release(1)
			connection, err := a.worker.Pool.Acquire(ctx)
			if err != nil {
				return fmt.Errorf("connecting another worker: %w", err)
			}
			defer connection.Release()
			return a.work(ctx, connection.Conn())
		})
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	a.report(ctx)
	return nil
}

// begin divides the scope into parts.
func (a *attempt) begin(ctx context.Context, connection *pgx.Conn) error {
	return a.commit(ctx, connection, func(tx pgx.Tx) (change, error) {
		begun, expected := resumePoint{Begun: true}, int64(0)
		err := tx.QueryRow(ctx, `SELECT now()`).Scan(&begun.BeganAt)
		if err != nil {
			return nil, fmt.Errorf("beginning the rebuild: %w", err)
		}
		if a.job.Args.Routine {
			begun.Parts, begun.NextUser, err = beginRoutine(ctx, tx, a.job.Args)
		} else {
			begun.Parts, expected, err = a.divide(ctx, tx)
		}
		if err != nil {
			return nil, err
		}
		return func(reached *resumePoint, progress *Progress) {
			*reached = begun
			progress.LogsExpected = expected
		}, nil
	})
}

// divide divides the scope among the workers, and says about how many logs it has.
// They get several parts each, as parts are never quite the same work. Whoever was
// recorded since is one part: to list them goes through the same logs for each.
func (a *attempt) divide(ctx context.Context, tx pgx.Tx) (parts []*Part, expected int64, err error) {
	const partsPerWorker = 8
	n := 1
	if a.job.Args.Workers > 1 && a.job.Args.Scope.RecordedSince == nil {
		n = a.job.Args.Workers * partsPerWorker
	}
	divided, err := Split(ctx, tx, n)
	if err != nil {
		return nil, 0, err
	}
	for _, part := range divided {
		parts = append(parts, &part)
	}
	expected, err = a.job.Args.Scope.expectedLogs(ctx, tx, a.worker.Zone)
	return parts, expected, err
}

// work rebuilds parts until all are taken.
func (a *attempt) work(ctx context.Context, connection *pgx.Conn) error {
	read := int64(0)
	for {
		i, ok := a.take()
		if !ok {
			return nil
		}
		for part := a.part(i); part != nil; part = a.part(i) {
			err := a.rest(ctx, read)
			if err != nil {
				return err
			}
			if read, err = a.chunk(ctx, connection, i, *part); err != nil {
				return err
			}
		}
	}
}

func (a *attempt) take() (part int, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.taken, false)
	if i < 0 {
		return 0, false
	}
	a.taken[i] = true
	return i, true
}

func (a *attempt) part(i int) *Part {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reached.Parts[i]
}

// chunk rebuilds the next chunk of a part, and returns how many logs it went through.
func (a *attempt) chunk(ctx context.Context, connection *pgx.Conn, i int, part Part) (read int64, err error) {
	args := a.job.Args
	options := ChunkOptions{MaxLogs: a.chunkLogs(), DryRun: args.DryRun, Zone: a.worker.Zone}
	err = a.commit(ctx, connection, func(tx pgx.Tx) (change, error) {
		chunk, err := WorkChunk(ctx, tx, args.Scope, part, options)
		if err != nil {
			return nil, err
		}
		read = chunk.Walked
		return func(reached *resumePoint, progress *Progress) {
			reached.Parts = slices.Clone(reached.Parts)
			reached.Parts[i] = chunk.Rest
			if chunk.Rest != nil && chunk.Rest.Sample != nil && chunk.Rest.Sample.End != nil {
				reached.NextUser = *chunk.Rest.Sample.End
			}
			*progress = progress.after(chunk, args.DryRun)
		}, nil
	})
	return read, err
}

// chunkLogs is how many logs a chunk has. Where the rebuild is held back, its
// chunks are small, so that what it takes is spread evenly.
func (a *attempt) chunkLogs() int {
	const chunksPerSecond, least = 10, 1000
	if perSecond := a.job.Args.MaxLogsPerSecond; perSecond > 0 {
		return min(a.worker.ChunkLogs, max(least, perSecond/chunksPerSecond))
	}
	return a.worker.ChunkLogs
}

// rest waits for as long as the rebuild was faster than it may be.
func (a *attempt) rest(ctx context.Context, read int64) error {
	for read > 0 && a.limit.Limit() != rate.Inf {
		n := min(int(read), a.limit.Burst())
		if err := a.limit.WaitN(ctx, n); err != nil {
			return err
		}
		read -= int64(n)
	}
	return nil
}

func (a *attempt) report(ctx context.Context) {
	progress, level, what := a.progress, slog.LevelInfo, "rebuild done"
	switch {
	case a.job.Args.Routine:
		what = "routine verification done"
	case a.job.Args.DryRun:
		what = "verify done"
	}
	found := []slog.Attr{
		slog.Int64("rebuild", a.job.ID),
		slog.Int64("users", progress.UsersDone), slog.Int64("logs", progress.LogsDone),
		slog.Int64("drifted", progress.RowsDrifted), slog.Int64("repaired", progress.RowsRepaired),
		slog.Float64("seconds", progress.Seconds),
	}
	if progress.RowsDrifted > 0 {
		const shown = 3
		level = slog.LevelWarn
		found = append(found, slog.Any("worst", progress.Examples[:min(shown, len(progress.Examples))]))
	}
	a.worker.Logger.LogAttrs(ctx, level, what, found...)
}
