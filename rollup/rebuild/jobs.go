// Package rebuild verifies the rollups and repairs them while writers continue. It
// compares the rollups with the logs, reports every row that differs (drift is the
// truth minus the rollup) and adds what is missing.
//
// Begin with [NewJobs], the queue of rebuilds in the database. [Jobs.Request]
// requests a rebuild; [Jobs.Get], [Jobs.List] and [Jobs.Cancel] watch and cancel it.
// Every process that is between [Jobs.Start] and [Jobs.Stop] works on the rebuilds
// in the queue. [WorkChunk] explains why nobody is locked out and nothing is counted
// twice.
package rebuild

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"golang.org/x/sync/semaphore"

	"learninglog/internal/erased"
	"learninglog/internal/horizon"
	"learninglog/internal/panics"
	"learninglog/internal/zones"
)

// DefaultChunkLogs is the default limit of logs per chunk.
const DefaultChunkLogs = 200_000

// DefaultEraseSettleTime is the default of [Config.EraseSettleTime]: until all who write know, and until they
// have given up on what they had begun to write before.
const DefaultEraseSettleTime = erased.Known + 15*time.Second + time.Second

// Config configures [Jobs]. A field with its zero value gets its default.
type Config struct {
	// Schema is the schema of River's tables. There is no default.
	Schema string
	// ChunkLogs limits the logs of one chunk. Default: [DefaultChunkLogs].
	ChunkLogs int
	// Routine configures the routines. Default: none.
	Routine RoutineConfig
	// EraseSettleTime is how long after a user was erased no process begins any more to write logs of
	// that user. Default: [DefaultEraseSettleTime].
	EraseSettleTime time.Duration
	// Forget deletes what others know of a user who is erased. Default: nothing.
	Forget []Forget
	// KeepDays makes the process purge logs that are older, once a day. Default: never.
	KeepDays int
	// SettleTime is how long a purge waits until all processes refuse what it is about to
	// delete. Default: [horizon.SettleTime].
	SettleTime time.Duration
	// Logger logs the rebuilds. Default: [slog.Default].
	Logger *slog.Logger
	// RiverLogger is for River's own log messages, which are many. Default: Logger.
	RiverLogger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.ChunkLogs == 0 {
		c.ChunkLogs = DefaultChunkLogs
	}
	if c.EraseSettleTime == 0 {
		c.EraseSettleTime = DefaultEraseSettleTime
	}
	if c.SettleTime == 0 {
		c.SettleTime = horizon.SettleTime
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.RiverLogger == nil {
		c.RiverLogger = c.Logger
	}
	return c
}

// Jobs is the queue of rebuilds. Rebuilds may be requested, cancelled and read at
// any time. Any number of processes work on them, each between its Start and Stop.
type Jobs struct {
	client   *river.Client[pgx.Tx]
	pool     *pgxpool.Pool
	routine  RoutineConfig
	keepDays int
	logger   *slog.Logger
	// requesting lets one request at a time have a connection: others would only wait
	// with theirs for a lock.
	requesting *semaphore.Weighted

	stopLooking context.CancelFunc
	rescuing    sync.WaitGroup
}

// NewJobs returns the queue in the database of pool. The database must be migrated
// before the queue is used.
func NewJobs(pool *pgxpool.Pool, config Config) (*Jobs, error) {
	config = config.withDefaults()

	known, err := zones.Open()
	if err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &Worker{
		Pool:            pool,
		Zones:           known,
		Logger:          config.Logger,
		ChunkLogs:       config.ChunkLogs,
		SettleTime:      config.SettleTime,
		EraseSettleTime: config.EraseSettleTime,
		Forget:          config.Forget,
		spare:           spareConnections(pool),
	})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema:  config.Schema,
		Logger:  config.RiverLogger,
		Workers: workers,
		// Each rebuild takes a connection from readers and writers for as long as it
		// lasts, so only a few may run. There are two, so that a small one can
		// overtake a big one.
		Queues: map[string]river.QueueConfig{
			river.QueueDefault: {MaxWorkers: 2},
			routineQueue:       {MaxWorkers: 1},
			rezoneQueue:        {MaxWorkers: 1},
			purgeQueue:         {MaxWorkers: 1},
			operatorQueue:      {MaxWorkers: 1},
			eraseQueue:         {MaxWorkers: 1},
		},
		ReindexerIndexNames: reindexed(),
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the job queue: %w", err)
	}
	return &Jobs{
		client:     client,
		pool:       pool,
		routine:    config.Routine,
		keepDays:   config.KeepDays,
		logger:     config.Logger,
		requesting: semaphore.NewWeighted(1),
	}, nil
}

// reindexed returns the indexes that River keeps small. There is none of arguments:
// migrating removes it.
func reindexed() []string {
	return slices.DeleteFunc(river.ReindexerIndexNamesDefault(), func(name string) bool { return name == "river_job_args_index" })
}

// Client returns River's client, to show or count jobs of all kinds.
func (j *Jobs) Client() *river.Client[pgx.Tx] { return j.client }

// Start works on jobs and begins due routines and purges until Stop is called, even after ctx
// has ended. Call Stop only if Start succeeded.
func (j *Jobs) Start(ctx context.Context) error {
	running := context.WithoutCancel(ctx)
	looking, stop := context.WithCancel(running)
	j.client.PeriodicJobs().Clear()
	if j.routine.Every > 0 {
		j.client.PeriodicJobs().Add(j.periodic(looking))
	}
	if j.keepDays > 0 {
		j.client.PeriodicJobs().Add(j.periodicPurge(looking))
	}
	if err := j.client.Start(running); err != nil {
		stop()
		return fmt.Errorf("starting the job queue: %w", err)
	}
	j.stopLooking = stop
	j.rescuing.Go(func() { j.keepRescuing(looking) })
	return nil
}

// Stop interrupts the jobs of this process, and returns when they have been handed
// back to the queue. Each continues after its last committed chunk, in this or
// another process.
func (j *Jobs) Stop(ctx context.Context) error {
	j.stopLooking()
	j.rescuing.Wait()
	if err := j.client.StopAndCancel(ctx); err != nil {
		return fmt.Errorf("stopping the job queue: %w", err)
	}
	return nil
}

// Rescue makes rebuilds whose process has died available again, and returns how
// many. Between Start and Stop this happens automatically, every few seconds.
func (j *Jobs) Rescue(ctx context.Context) (int, error) {
	return rescue(ctx, j.pool, j.client)
}

func (j *Jobs) keepRescuing(ctx context.Context) {
	tick := time.NewTicker(rescueEvery)
	defer tick.Stop()
	paused := make(map[string]bool)
	for {
		if err := panics.Caught(func() { j.lookAfterJobs(ctx, paused) }); err != nil {
			j.logger.ErrorContext(ctx, "looking after jobs panicked", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lookAfterJobs rescues rebuilds, and logs which queues are paused; paused has those that
// it has logged.
func (j *Jobs) lookAfterJobs(ctx context.Context, paused map[string]bool) {
	rescued, err := j.Rescue(ctx)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		j.logger.WarnContext(ctx, "rescuing rebuilds failed", "error", err)
	case rescued > 0:
		j.logger.InfoContext(ctx, "rescued rebuilds whose process is gone", "rebuilds", rescued)
	}
	if err := j.keepErasing(ctx); err != nil && ctx.Err() == nil {
		j.logger.WarnContext(ctx, "looking for users to erase failed", "error", err)
	}
	j.logPauses(ctx, paused)
}
