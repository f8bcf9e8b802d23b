package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"learninglog/command"
	"learninglog/internal/admin"
	"learninglog/internal/api"
	"learninglog/internal/dashboard"
	"learninglog/internal/demo"
	"learninglog/internal/metrics"
	"learninglog/internal/postgres"
	"learninglog/query"
	"learninglog/rollup"
)

type serveCommand struct {
	databaseFlags

	Addr              string        `env:"LEARNINGLOG_ADDR" default:"127.0.0.1:8080" help:"Where to listen: host:port. Port 0 takes a free one."`
	Admin             bool          `env:"LEARNINGLOG_ADMIN" default:"true" negatable:"" help:"Serve the pages for operators, under /admin. They have no login: let nobody but operators reach them."`
	Demo              bool          `help:"First fill an empty database with a year of made-up logs of some learners, to look at. Refuses where there are logs."`
	LogLevel          logLevel      `env:"LEARNINGLOG_LOG_LEVEL" default:"info" help:"What to log: debug, info, warn or error."`
	LogFormat         string        `env:"LEARNINGLOG_LOG_FORMAT" enum:"text,json" default:"text" help:"How to log, on standard error: text or json."`
	RequestTimeout    time.Duration `env:"LEARNINGLOG_REQUEST_TIMEOUT" default:"15s" help:"How long a request may wait for the database."`
	ShutdownTimeout   time.Duration `env:"LEARNINGLOG_SHUTDOWN_TIMEOUT" default:"20s" help:"How long requests, writes and rebuilds may take to finish when the service stops, all together; each of them that comes later has a second."`
	WriteBatch        int           `env:"LEARNINGLOG_WRITE_BATCH" default:"1000" help:"About how many logs of different requests may share a commit. 1: none; then --write-lanes means nothing, and logs that are being written count in --write-queue."`
	WriteLanes        int           `env:"LEARNINGLOG_WRITE_LANES" default:"2" help:"On how many connections logs are written at the same time."`
	WriteQueue        int           `env:"LEARNINGLOG_WRITE_QUEUE" default:"20000" help:"How many logs may wait to be written, before requests are answered 503."`
	MaxWordCount      int           `env:"LEARNINGLOG_MAX_WORD_COUNT" default:"1000000" help:"The most words that a log may have."`
	EarliestTimestamp instant       `env:"LEARNINGLOG_EARLIEST_TIMESTAMP" default:"2000-01-01T00:00:00Z" help:"The first timestamp that a log may have."`
	MaxAhead          time.Duration `env:"LEARNINGLOG_MAX_AHEAD" default:"24h" help:"How far a log's timestamp may be in the future."`
	RebuildChunkLogs  int           `env:"LEARNINGLOG_REBUILD_CHUNK_LOGS" default:"200000" help:"How many logs a rebuild reads in one transaction."`
	VerifyEvery       time.Duration `env:"LEARNINGLOG_VERIFY_EVERY" default:"1h" help:"How often a sample and whoever was active are verified by themselves. 0: never."`
	VerifySample      int           `env:"LEARNINGLOG_VERIFY_SAMPLE" default:"200000" help:"About how many logs that sample has. The next goes on with the next users, so that everybody's turn comes."`
	VerifyRepairs     bool          `env:"LEARNINGLOG_VERIFY_REPAIRS" help:"Repair the drift that is found so, instead of only telling of it."`
}

// Validate is called by kong.
func (c *serveCommand) Validate() error {
	const maxInt32 = 1<<31 - 1
	switch {
	case c.MaxWordCount < 1 || c.MaxWordCount > maxInt32:
		return fmt.Errorf("--max-word-count must be from 1 to %d", maxInt32)
	case c.EarliestTimestamp.at.Year() < 1 || c.EarliestTimestamp.at.Year() > 9000:
		return errors.New("--earliest-timestamp must be in the years 1 to 9000")
	case c.MaxAhead < 0 || c.MaxAhead > 24*366*100*time.Hour:
		return errors.New("--max-ahead must be from 0 to 100 years")
	case c.RebuildChunkLogs < 1:
		return errors.New("--rebuild-chunk-logs must be at least 1")
	case c.VerifyEvery != 0 && c.VerifyEvery < time.Second:
		return errors.New("--verify-every must be at least 1s, or 0 for never")
	case c.VerifySample < 0:
		return errors.New("--verify-sample must be at least 0")
	case c.WriteBatch < 1:
		return errors.New("--write-batch must be at least 1")
	case c.WriteLanes < 1:
		return errors.New("--write-lanes must be at least 1")
	case c.WriteQueue < 1:
		return errors.New("--write-queue must be at least 1")
	case c.RequestTimeout <= 0:
		return errors.New("--request-timeout must be more than 0")
	case c.ShutdownTimeout <= 0:
		return errors.New("--shutdown-timeout must be more than 0")
	}
	return checkAddress(c.Addr)
}

// zone is the zone of all periods, until users have their own.
func zone() *time.Location { return time.UTC }

// Run serves until ctx ends. What was started is stopped in reverse: no more
// requests, those under way finish, what was accepted is written, rebuilds are
// handed on, the pool is closed, the embedded database stops.
func (c *serveCommand) Run(ctx context.Context, stdout io.Writer) (err error) {
	collectLess()
	signal.Ignore(syscall.SIGPIPE) // the end of whoever reads the log isn't ours
	logger := c.logger()
	var started shutdown
	ready := false
	defer func() {
		told := ctx.Err() != nil
		if told {
			err = nil // be it while it was starting
		}
		err = errors.Join(err, started.stop(logger, c.ShutdownTimeout))
		if told || ready {
			logger.InfoContext(ctx, "stopped")
		}
	}()

	// First, as it is the likeliest to fail and the quickest.
	listener, err := listen(ctx, c.Addr)
	if err != nil {
		return err
	}
	started.add("listener", func(context.Context) error { return ignoreClosed(listener.Close()) })

	database, err := c.run(ctx, logger)
	if err != nil {
		return err
	}
	started.add("database", func(context.Context) error { return database.close() })

	migrator, err := postgres.NewMigrator(database.pool, logger)
	if err != nil {
		return err
	}
	if err := migrator.Up(ctx); err != nil {
		return err
	}

	jobs, err := rollup.NewJobs(database.pool, rollup.JobsConfig{
		Schema:      postgres.RiverSchema,
		Zone:        zone(),
		ChunkLogs:   c.RebuildChunkLogs,
		Routine:     rollup.RoutineConfig{Every: c.VerifyEvery, SampleLogs: c.VerifySample, Repairs: c.VerifyRepairs},
		Logger:      logger,
		RiverLogger: onlyWarnings(logger),
	})
	if err != nil {
		return err
	}
	registry := metrics.NewRegistry(build())
	metrics.RegisterPool(registry, database.pool)
	metrics.RegisterJobs(registry, database.pool, postgres.RiverSchema)
	metrics.RegisterVerifications(registry, database.pool)
	metrics.RegisterAttempts(registry, jobs.Client())
	if err := jobs.Start(ctx); err != nil {
		return err
	}
	started.add("rebuilds", jobs.Stop)

	writes, requestMetrics := metrics.NewWrites(registry), metrics.NewRequests(registry)
	limits := command.Limits{MaxWordCount: c.MaxWordCount, Earliest: c.EarliestTimestamp.at, MaxAhead: c.MaxAhead}
	recorder := command.NewRecorder(database.pool, command.Config{
		Limits:     limits,
		Zone:       zone(),
		MaxBatch:   c.WriteBatch,
		Lanes:      c.WriteLanes,
		MaxWaiting: c.WriteQueue,
		Timeout:    c.RequestTimeout,
		Observer:   writes,
	})
	metrics.RegisterQueue(registry, recorder)
	started.add("writes", recorder.Close)
	stopping, endStreams := context.WithCancel(ctx)
	defer endStreams()
	reader := query.NewReader(database.pool)
	if c.Demo {
		if err := fillWithDemo(ctx, reader, recorder, logger); err != nil {
			return err
		}
	}
	jobPages, err := c.jobPages(ctx, jobs, logger, &started)
	if err != nil {
		return err
	}
	var operations *dashboard.Operations
	if c.Admin {
		version, _ := build()
		recent := metrics.NewRecent(metrics.Sources{
			Requests: requestMetrics, PostRoute: api.RecordPath, Writes: writes, Queue: recorder, Pool: database.pool,
		})
		go recent.Run(stopping, logger)
		operations = &dashboard.Operations{Version: version, Ready: migrator.Check, Recent: recent}
	}
	pages, err := dashboard.New(dashboard.Config{
		Reader:         reader,
		Jobs:           jobs.Client(),
		Zone:           zone(),
		Operations:     operations,
		JobPages:       jobPages,
		Unavailable:    postgres.Unavailable,
		RequestTimeout: c.RequestTimeout,
		Logger:         logger,
	})
	if err != nil {
		return err
	}
	handler, err := api.New(api.Config{
		Recorder:       recorder,
		Reader:         reader,
		Jobs:           jobs.Client(),
		Limits:         limits,
		Zone:           zone(),
		Ready:          migrator.Check,
		Unavailable:    postgres.Unavailable,
		RequestTimeout: c.RequestTimeout,
		Requests:       requestMetrics,
		Metrics:        registry,
		Stopping:       stopping,
		Pages:          pages.Route,
		Logger:         logger,
	})
	if err != nil {
		return err
	}
	requests, abandonRequests := context.WithCancel(context.WithoutCancel(ctx))
	server := c.httpServer(handler, logger)
	server.BaseContext = func(net.Listener) context.Context { return requests }
	server.RegisterOnShutdown(endStreams)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	started.add("requests", func(ctx context.Context) error {
		defer abandonRequests()
		if err := server.Shutdown(ctx); err != nil {
			logger.WarnContext(ctx, "some requests took too long and are abandoned", "error", err)
			return server.Close()
		}
		return nil
	})

	ready = true
	logger.InfoContext(ctx, "ready", "address", listener.Addr().String(), "data", database.where)
	if c.LogFormat == "text" {
		greet(stdout, listener.Addr(), database, c.Admin)
		if c.Demo {
			introduce(stdout, listener.Addr())
		}
	}
	select {
	case <-ctx.Done():
		logger.InfoContext(ctx, "stopping")
		return nil
	case err := <-failed:
		return fmt.Errorf("serving requests: %w", err)
	}
}

// fillWithDemo makes up logs, where there are none.
func fillWithDemo(ctx context.Context, reader *query.Reader, recorder *command.Recorder, logger *slog.Logger) error {
	has, err := reader.HasLogs(ctx)
	if err != nil {
		return err
	}
	if has {
		return errors.New("there are learning logs already, and --demo mixes made-up ones into no others: " +
			"leave it out, or start with a new --data-dir")
	}
	logs, err := demo.Fill(ctx, recorder, time.Now(), zone())
	if err != nil {
		return err
	}
	logger.InfoContext(ctx, "made up", "logs", logs, "learners", len(demo.Learners()))
	return nil
}

// jobPages starts the pages about jobs, or returns nil where operators have none.
func (c *serveCommand) jobPages(
	ctx context.Context, jobs *rollup.Jobs, logger *slog.Logger, started *shutdown,
) (http.Handler, error) {
	if !c.Admin {
		return nil, nil
	}
	pages, err := admin.New(jobs.Client(), onlyWarnings(logger))
	if err != nil {
		return nil, err
	}
	if err := pages.Start(ctx); err != nil {
		return nil, err
	}
	started.add("admin pages", pages.Stop)
	return pages, nil
}

// collectLess lets the heap grow to five times what is in use before garbage is
// collected. That is little, so with Go's own factor of two under load a tenth of
// the time would go into collecting. GOGC overrides it.
//
// Where much is in use, as while many large batches arrive at once, five times that
// is more than it is worth: from the limit on, garbage is collected as often as it
// takes to stay below. It is a soft one, of all of Go's memory: what is in use may
// exceed it, and then half of the time goes into collecting at most. GOMEMLIMIT
// overrides it.
func collectLess() {
	const percent, limit = 400, 512 << 20
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}

func (c *serveCommand) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel.level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// httpServer bounds every phase of a request, so that no client, slow or
// malicious, holds a connection for ever.
func (c *serveCommand) httpServer(handler http.Handler, logger *slog.Logger) *http.Server {
	const (
		readHeader = 5 * time.Second
		read       = 30 * time.Second
		write      = 30 * time.Second // beside the time that the request itself may take
		idle       = 2 * time.Minute
		maxHeader  = 64 << 10
	)
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeader,
		ReadTimeout:       read,
		WriteTimeout:      read + c.RequestTimeout + write,
		IdleTimeout:       idle,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use by another process: stop that one, or choose another with --addr", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; choose another address with --addr", address, err)
	}
	return listener, nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
