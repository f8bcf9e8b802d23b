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

	"learninglog/internal/horizon"
	"learninglog/internal/panics"
)

// attempt is one attempt at a rebuild. Each of its workers takes a part, and takes
// the next one when it has finished.
type attempt struct {
	worker *Worker
	job    *river.Job[Args]
	limit  *rate.Limiter
	zone   *time.Location // of a re-zone, or nil

	mu           sync.Mutex // held while a chunk and its effect on this struct are committed
	reached      resumePoint
	progress     Progress
	countedUntil time.Time // progress.Seconds counts up to this time
	taken        []bool    // the parts that have a worker or are finished
}

// resume continues where the previous attempt stopped. If nothing is left, the job
// was already completed and somebody has made it available again with River's own
// tools. Then it starts from the beginning, because its result is out of date.
func (w *Worker) resume(job *river.Job[Args], from resumePoint) (*attempt, error) {
	a := &attempt{worker: w, job: job, limit: rate.NewLimiter(rate.Inf, 0), reached: from, countedUntil: time.Now()}
	if perSecond := job.Args.MaxLogsPerSecond; perSecond > 0 {
		a.limit = rate.NewLimiter(rate.Limit(perSecond), perSecond)
		a.limit.ReserveN(time.Now(), perSecond) // the limiter would otherwise grant a whole burst at once
	}
	if name := job.Args.TimeZone; name != "" {
		var err error
		if a.zone, err = w.Zones.Load(name); err != nil {
			return nil, fmt.Errorf("the time zone %s of the re-zone %w", name, err)
		}
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
	work := func(connection *pgx.Conn) error {
		return panics.Returned(func() error { return a.work(ctx, connection) }) // River recovers only from its own
	}
	workers.Go(func() error { return work(first) })
	for range min(a.job.Args.Workers, parts) - 1 {
		if !a.worker.spare.TryAcquire(1) {
			break // the service needs the remaining connections
		}
		workers.Go(func() error {
			defer a.worker.spare.Release(1)
			connection, err := a.worker.Pool.Acquire(ctx)
			if err != nil {
				return fmt.Errorf("connecting another worker: %w", err)
			}
			defer connection.Release()
			return work(connection.Conn())
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
	var purged time.Time
	if a.job.Args.IsPurge() {
		var err error
		if purged, err = a.purgedBefore(ctx, connection); err != nil {
			return err
		}
	}
	return a.commit(ctx, connection, func(tx pgx.Tx) (change, error) {
		begun, expected := resumePoint{Begun: true, PurgedBefore: purged}, int64(0)
		err := tx.QueryRow(ctx, `SELECT now()`).Scan(&begun.BeganAt)
		if err != nil {
			return nil, fmt.Errorf("beginning the rebuild: %w", err)
		}
		switch args := a.job.Args; {
		case args.Routine:
			begun.Parts, begun.NextUser, err = beginRoutine(ctx, tx, args)
		case args.Erase:
			begun.Parts, expected, err = beginErasing(ctx, tx)
		default:
			begun.Parts, expected, err = a.divide(ctx, tx)
		}
		if err != nil {
			return nil, err
		}
		shown, err := a.noteHorizon(ctx, tx, purged)
		if err != nil {
			return nil, err
		}
		return func(reached *resumePoint, progress *Progress) {
			*reached = begun
			progress.LogsExpected, progress.PurgedBefore = expected, shown
		}, nil
	})
}

// noteHorizon notes before when a purge deletes logs, and returns what the progress of a
// purge or a re-zone says of it, or nil.
func (a *attempt) noteHorizon(ctx context.Context, tx pgx.Tx, purged time.Time) (*time.Time, error) {
	switch args := a.job.Args; {
	case args.IsPurge() && args.DryRun:
		return inUTC(&purged), nil
	case args.IsPurge():
		return inUTC(&purged), horizon.NotePurge(ctx, tx, purged)
	case args.IsRezone():
		known, err := horizon.Read(ctx, tx, 0)
		if err != nil || known.PurgedBefore.IsZero() {
			return nil, err
		}
		return &known.PurgedBefore, nil
	default:
		return nil, nil
	}
}

// divide divides the scope into parts for the workers, and estimates how many logs
// the scope has. There are several parts per worker, because parts never take
// exactly the same time. A scope limited by RecordedSince is a single part: listing
// its users reads the same logs for every part.
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
	expected, err = a.job.Args.Scope.expectedLogs(ctx, tx, a.zone != nil)
	return parts, expected, err
}

// work takes parts and rebuilds them until all are taken.
func (a *attempt) work(ctx context.Context, connection *pgx.Conn) error {
	var before Chunk
	var took time.Duration // the chunk before
	for {
		i, ok := a.take()
		if !ok {
			return nil
		}
		for part := a.part(i); part != nil; part = a.part(i) {
			err := a.pause(ctx, before)
			if err != nil {
				return err
			}
			begun := time.Now()
			if before, err = a.chunk(ctx, connection, i, *part, took); err != nil {
				return err
			}
			took = time.Since(begun)
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

// chunk rebuilds the next chunk of a part, and returns what it found. It is told how long the
// chunk before took.
func (a *attempt) chunk(
	ctx context.Context, connection *pgx.Conn, i int, part Part, took time.Duration,
) (chunk Chunk, err error) {
	args := a.job.Args
	options := ChunkOptions{MaxLogs: a.chunkLogs(took), DryRun: args.DryRun}
	err = a.commit(ctx, connection, func(tx pgx.Tx) (change, error) {
		if chunk, err = a.workChunk(ctx, tx, part, options); err != nil {
			return nil, err
		}
		return func(reached *resumePoint, progress *Progress) {
			reached.Parts = slices.Clone(reached.Parts)
			reached.Parts[i] = chunk.Rest
			if chunk.Rest != nil && chunk.Rest.Sample != nil && chunk.Rest.Sample.End != nil {
				reached.NextUser = *chunk.Rest.Sample.End
			}
			*progress = progress.plus(chunk, !args.DryRun && !args.IsPurge())
		}, nil
	})
	return chunk, err
}

func (a *attempt) workChunk(ctx context.Context, tx pgx.Tx, part Part, options ChunkOptions) (Chunk, error) {
	if a.job.Args.Erase {
		return a.worker.eraserOf(ctx).chunk(ctx, tx, a.job.ID, part, options.MaxLogs)
	}
	if a.job.Args.IsPurge() {
		return PurgeChunk(ctx, tx, a.purgeBefore(), part, options)
	}
	if a.zone != nil {
		return RezoneChunk(ctx, tx, a.job.Args.Scope, part, options, a.zone)
	}
	return WorkChunk(ctx, tx, a.job.Args.Scope, part, options)
}

func (a *attempt) purgeBefore() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reached.PurgedBefore
}

// chunkLogs returns the maximum number of logs per chunk. If the pace is limited,
// chunks are small, so that the load is spread evenly: of a tenth of a second. If the chunk
// before took longer than half of its time, they are larger, up to a second, because each
// chunk takes some time however small it is. In a cluster, that is a lot.
func (a *attempt) chunkLogs(took time.Duration) int {
	const shortest, longest, least = time.Second / 10, time.Second, 1000
	if perSecond := a.job.Args.MaxLogsPerSecond; perSecond > 0 {
		of := min(max(2*took, shortest), longest) //nolint:mnd // see above
		return min(a.worker.ChunkLogs, max(least, int(of.Seconds()*float64(perSecond))))
	}
	return a.worker.ChunkLogs
}

// pause waits as long as the limit of the pace demands after a chunk, or as the chunk says.
func (a *attempt) pause(ctx context.Context, after Chunk) error {
	if after.Wait > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(after.Wait):
		}
	}
	for read := after.Walked; read > 0 && a.limit.Limit() != rate.Inf; {
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
	case a.zone != nil:
		what = "re-zone done"
	case a.job.Args.Erase:
		what = "users erased"
	case a.job.Args.IsPurge() && a.job.Args.DryRun:
		what = "dry run of a purge done"
	case a.job.Args.IsPurge():
		what = "purge done"
	case a.job.Args.DryRun:
		what = "verify done"
	}
	found := []slog.Attr{
		slog.Int64("rebuild", a.job.ID),
		slog.Int64("users", progress.UsersDone), slog.Int64("logs", progress.LogsDone),
		slog.Int64("drifted", progress.RowsDrifted), slog.Int64("repaired", progress.RowsRepaired),
		slog.Float64("seconds", progress.Seconds),
	}
	if a.zone != nil {
		found = append(found, slog.Int64("rezoned", progress.LogsRezoned))
	}
	if a.job.Args.IsPurge() {
		found = append(found, slog.Int64("purged", progress.LogsPurged), slog.Int64("bytes", progress.BytesPurged),
			slog.Time("purged_before", *progress.PurgedBefore))
	}
	if progress.RowsDrifted > 0 {
		const shown = 3
		level = slog.LevelWarn
		found = append(found, slog.Any("worst", progress.Examples[:min(shown, len(progress.Examples))]))
	}
	a.worker.Logger.LogAttrs(ctx, level, what, found...)
}
