// Package rebuild verifies the rollups and repairs them, while writers go on: it
// compares them with the logs, tells of every row that differs (drift, the truth minus
// the rollup) and adds what is missing.
//
// Begin with [NewJobs], the queue of rebuilds in the database. [Jobs.Request] asks for
// one, [Jobs.Get], [Jobs.List] and [Jobs.Cancel] see to it, and whatever process is
// between [Jobs.Start] and [Jobs.Stop] works it. [WorkChunk] says why nobody is locked
// out and nothing counted twice.
package rebuild

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// DefaultChunkLogs is how many logs a rebuild reads in one transaction.
const DefaultChunkLogs = 200_000

// Config says how rebuilds are worked. The zero value of a field is its
// default.
type Config struct {
	// Schema is the schema of River's tables. There is no default.
	Schema string
	// Zone is the zone of the periods. Default: UTC.
	Zone *time.Location
	// ChunkLogs bounds the logs of one transaction. Default: [DefaultChunkLogs].
	ChunkLogs int
	// Routine says what is verified by itself. Default: nothing.
	Routine RoutineConfig
	// Logger is told of rebuilds. Default: [slog.Default].
	Logger *slog.Logger
	// RiverLogger is River's own, which says much. Default: Logger.
	RiverLogger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.ChunkLogs == 0 {
		c.ChunkLogs = DefaultChunkLogs
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.RiverLogger == nil {
		c.RiverLogger = c.Logger
	}
	return c
}

// Jobs is the queue of rebuilds. Rebuilds may be requested, cancelled and looked at
// at any time; they are worked between Start and Stop, by any number of processes.
type Jobs struct {
	client  *river.Client[pgx.Tx]
	pool    *pgxpool.Pool
	routine RoutineConfig
	logger  *slog.Logger

	stopLooking context.CancelFunc
	rescuing    sync.WaitGroup
}

// NewJobs returns the queue in the database of pool, which must be migrated by
// the time it is used.
func NewJobs(pool *pgxpool.Pool, config Config) (*Jobs, error) {
	config = config.withDefaults()

	workers := river.NewWorkers()
	river.AddWorker(workers, &Worker{
		Pool:      pool,
		Zone:      config.Zone,
		Logger:    config.Logger,
		ChunkLogs: config.ChunkLogs,
		spare:     spareConnections(pool),
	})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema:  config.Schema,
		Logger:  config.RiverLogger,
		Workers: workers,
		// Each rebuild takes a connection from readers and writers for as long as it
		// lasts, so they are few; the second lets a small one pass a big one.
		Queues: map[string]river.QueueConfig{
			river.QueueDefault: {MaxWorkers: 2},
			routineQueue:       {MaxWorkers: 1},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the job queue: %w", err)
	}
	return &Jobs{client: client, pool: pool, routine: config.Routine, logger: config.Logger}, nil
}

// Client returns River's client, for whoever shows or counts jobs of all kinds.
func (j *Jobs) Client() *river.Client[pgx.Tx] { return j.client }

// Start works jobs until Stop, also after ctx has ended, and begins routines that
// are due. Call Stop only if it succeeds.
func (j *Jobs) Start(ctx context.Context) error {
	running := context.WithoutCancel(ctx)
	looking, stop := context.WithCancel(running)
	j.client.PeriodicJobs().Clear()
	if j.routine.Every > 0 {
		j.client.PeriodicJobs().Add(j.periodic(looking))
	}
	if err := j.client.Start(running); err != nil {
		stop()
		return fmt.Errorf("starting the job queue: %w", err)
	}
	j.stopLooking = stop
	j.rescuing.Go(func() { j.keepRescuing(looking) })
	return nil
}

// Stop interrupts the jobs that this process works and returns when they have
// been handed on: each goes on at its last chunk, here or elsewhere.
func (j *Jobs) Stop(ctx context.Context) error {
	j.stopLooking()
	j.rescuing.Wait()
	if err := j.client.StopAndCancel(ctx); err != nil {
		return fmt.Errorf("stopping the job queue: %w", err)
	}
	return nil
}

// Rescue makes the rebuilds available again whose process is gone, and returns
// how many. Between Start and Stop it happens by itself, every few seconds.
func (j *Jobs) Rescue(ctx context.Context) (int, error) {
	return rescue(ctx, j.pool, j.client)
}

func (j *Jobs) keepRescuing(ctx context.Context) {
	tick := time.NewTicker(rescueEvery)
	defer tick.Stop()
	for {
		rescued, err := j.Rescue(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			j.logger.WarnContext(ctx, "rescuing rebuilds failed", "error", err)
		case rescued > 0:
			j.logger.InfoContext(ctx, "rescued rebuilds whose process is gone", "rebuilds", rescued)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
