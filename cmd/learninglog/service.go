package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"learninglog/command"
	"learninglog/internal/access"
	"learninglog/internal/api"
	"learninglog/internal/audit"
	"learninglog/internal/dashboard"
	"learninglog/internal/demo"
	"learninglog/internal/erased"
	"learninglog/internal/horizon"
	"learninglog/internal/jobpages"
	"learninglog/internal/metrics"
	"learninglog/internal/panics"
	"learninglog/internal/postgres"
	"learninglog/internal/problem"
	"learninglog/internal/sharding"
	"learninglog/internal/zones"
	"learninglog/query"
	"learninglog/rollup/rebuild"
)

// service is a running service. Each step of the start sets what later steps need.
type service struct {
	flags  *serveCommand
	logger *slog.Logger
	stdout io.Writer
	stops  shutdown

	listener net.Listener
	database *database
	migrator *postgres.Migrator
	jobs     audit.Jobs
	trail    *audit.Trail
	erased   *erased.Users
	recorder *command.Recorder
	problems *problem.Table
	// access is nil where everybody may do everything.
	access api.Access
	keys   audit.KeyStore
	// shareLinks are there only where access is.
	shareLinks *audit.ShareLinks
	login      *dashboard.Login // nil there, too
	nodes      *sharding.Nodes  // nil if the tables aren't distributed
	reader     *query.Reader
	horizon    *horizon.Follower
	pages      api.Pages
	handler    http.Handler

	// metrics is the registry of all metrics; writes and requests are also read
	// directly.
	metrics  *prometheus.Registry
	writes   *metrics.Writes
	requests *metrics.Requests
	// stopping ends when the service begins to stop; endStreams ends it.
	stopping   context.Context //nolint:containedctx // it belongs to the service, not to a call
	endStreams context.CancelFunc
	// failed gets the first error after which the service can't go on.
	failed chan error
}

func newService(flags *serveCommand, stdout io.Writer) *service {
	registry := metrics.NewRegistry(build())
	return &service{
		flags:    flags,
		logger:   flags.logger(),
		stdout:   stdout,
		metrics:  registry,
		writes:   metrics.NewWrites(registry),
		requests: metrics.NewRequests(registry),
		failed:   make(chan error, 1),
	}
}

// run starts the service step by step, and serves until ctx ends. Then, or if a step
// fails, it stops everything in reverse: no new requests are accepted, running
// requests finish, accepted logs are written, rebuilds are handed back to the queue,
// the pool is closed, and the embedded database stops.
func (s *service) run(ctx context.Context) (err error) {
	ready := false
	defer func() {
		stopped := ctx.Err() != nil
		if stopped {
			err = nil // the failure of a start that was stopped on purpose is no error
		}
		err = errors.Join(err, s.stops.stop(s.logger, s.flags.ShutdownTimeout))
		if stopped || ready {
			s.logger.InfoContext(ctx, "stopped")
		}
	}()
	s.stopping, s.endStreams = context.WithCancel(ctx)
	defer s.endStreams()
	for _, start := range []func(context.Context) error{
		s.listen, // first, because it is the quickest step and the likeliest to fail
		s.openDatabase,
		s.migrate,
		s.findNodes,
		s.startHorizon,
		s.startTrail,
		s.startAccess,
		s.startJobs,
		s.startRecorder,
		s.fillWithDemo,
		s.startPages,
		s.makeHandler,
		s.serveRequests,
	} {
		if err := start(ctx); err != nil {
			return err
		}
	}
	ready = true
	s.announce(ctx)
	select {
	case <-ctx.Done():
		s.logger.InfoContext(ctx, "stopping")
		return nil
	case err := <-s.failed:
		return err
	}
}

// fail makes the service stop, because it can't go on.
func (s *service) fail(err error) {
	select {
	case s.failed <- err:
	default: // it stops already
	}
}

func (s *service) listen(ctx context.Context) (err error) {
	if s.listener, err = listen(ctx, s.flags.Addr); err != nil {
		return err
	}
	s.stops.add("listener", func(context.Context) error { return ignoreClosed(s.listener.Close()) })
	return nil
}

func (s *service) openDatabase(ctx context.Context) (err error) {
	if s.database, err = s.flags.openForService(ctx, s.logger); err != nil {
		return err
	}
	s.stops.add("database", func(context.Context) error { return s.database.close() })
	lanes := query.Lanes(int(s.database.pool.Config().MaxConns))
	s.reader = query.NewReader(s.database.pool, s.flags.TimeZone.location).WithLanes(lanes)
	metrics.RegisterPool(s.metrics, s.database.pool)
	return nil
}

func (s *service) migrate(ctx context.Context) (err error) {
	if s.migrator, err = postgres.NewMigrator(s.database.pool, s.logger); err != nil {
		return err
	}
	return s.migrator.Up(ctx)
}

// findNodes makes what is about a learner go to the node of a cluster that has the
// learner, if the tables are distributed over one.
func (s *service) findNodes(ctx context.Context) (err error) {
	s.nodes, err = sharding.ReadNodes(ctx, s.database.pool, postgres.OpenNode(s.flags.DatabaseURL), s.logger)
	if err != nil || s.nodes == nil {
		return err
	}
	s.stops.add("nodes", func(context.Context) error {
		s.nodes.Close()
		return nil
	})
	s.keepRunning(ctx, "nodes of the cluster", s.nodes.Run)
	s.reader = s.reader.WithNodes(func(user uuid.UUID) query.Pool { return s.nodes.At(user) })
	return nil
}

// startHorizon makes the service know which logs are too old. It goes on until nobody records
// any more.
func (s *service) startHorizon(ctx context.Context) (err error) {
	s.horizon, err = horizon.Follow(ctx, s.database.pool, s.flags.KeepLogs.duration, s.logger)
	if err != nil {
		return err
	}
	s.reader = s.reader.WithHorizon(s.horizon)
	s.keepRunning(ctx, "horizon", s.horizon.Run)
	if known := s.horizon.Known(); !known.RefusedBefore.IsZero() {
		s.logger.InfoContext(ctx, "logs are refused that are older", "refused_before", known.RefusedBefore)
	}
	return nil
}

func (s *service) startJobs(ctx context.Context) (err error) {
	s.jobs.Trail = s.trail
	settles := max(rebuild.DefaultEraseSettleTime, erased.Known+s.flags.RequestTimeout+time.Second)
	keepDays := 0
	if s.flags.KeepLogs.duration > 0 {
		if keepDays, err = wholeDays("--keep-logs", s.flags.KeepLogs); err != nil {
			return err
		}
	}
	s.jobs.Jobs, err = rebuild.NewJobs(s.database.pool, rebuild.Config{
		Schema:    postgres.RiverSchema,
		ChunkLogs: s.flags.RebuildChunkLogs,
		Routine: rebuild.RoutineConfig{
			Every: s.flags.VerifyEvery, SampleLogs: s.flags.VerifySample, Repairs: s.flags.VerifyRepairs,
		},
		KeepDays:        keepDays,
		EraseSettleTime: settles,
		// A process looks for the horizon every few seconds, and then a batch may take as long
		// as a request.
		SettleTime:  max(horizon.SettleTime, 2*s.flags.RequestTimeout+10*time.Second),
		Forget:      forgetting(),
		Logger:      s.logger,
		RiverLogger: onlyWarnings(s.logger),
	})
	if err != nil {
		return err
	}
	metrics.RegisterJobs(s.metrics, s.database.pool, postgres.RiverSchema)
	metrics.RegisterVerifications(s.metrics, s.jobs.Jobs)
	metrics.RegisterPauses(s.metrics, s.jobs.Jobs)
	metrics.RegisterAttempts(s.metrics, s.jobs.Client())
	if err := s.jobs.Start(ctx); err != nil {
		return err
	}
	s.stops.add("rebuilds", s.jobs.Stop)
	return nil
}

func (s *service) startRecorder(ctx context.Context) error {
	others, err := s.newPeers()
	if err != nil {
		return err
	}
	if err := s.startErased(ctx); err != nil {
		return err
	}
	config := command.Config{
		Erased:     s.erased,
		Limits:     s.flags.limits(),
		Horizon:    s.horizon,
		Zone:       s.flags.TimeZone.location,
		Nodes:      s.nodes,
		MaxBatch:   s.flags.WriteBatch,
		Lanes:      s.flags.WriteLanes,
		MaxWaiting: s.flags.WriteQueue,
		Timeout:    s.flags.RequestTimeout,
		Logger:     s.logger,
		Broken:     s.fail,
		Observer:   s.writes,
	}
	if others != nil {
		config.Peers = others
	}
	s.recorder = command.NewRecorder(s.database.pool, config)
	metrics.RegisterQueue(s.metrics, s.recorder)
	if others != nil {
		s.keepRunning(ctx, "other replicas", func(ctx context.Context) { others.Run(ctx, s.recorder.Hear) })
	}
	s.stops.add("writes", s.recorder.Close)
	s.problems = problem.NewTable(postgres.Unavailable, s.recorder.EstimatedWait, s.logger)
	return nil
}

// startErased reads who was erased, and follows it.
func (s *service) startErased(ctx context.Context) error {
	s.erased = erased.NewUsers(s.database.pool, s.logger)
	if err := s.erased.Read(ctx); err != nil {
		return err
	}
	s.keepRunning(ctx, "erased users", s.erased.Run)
	return nil
}

// forgetting returns what deletes what others than jobs know of users who are erased.
func forgetting() []rebuild.Forget { return []rebuild.Forget{access.Forget, audit.Forget} }

// fillWithDemo records the logs of demo learners, if that is requested and the
// database has no logs.
func (s *service) fillWithDemo(ctx context.Context) error {
	if !s.flags.Demo {
		return nil
	}
	has, err := s.reader.HasLogs(ctx)
	if err != nil {
		return err
	}
	if has {
		return errors.New("there are learning logs already, and --demo mixes made-up ones into no others: " +
			"leave it out, or start with a new --data-dir")
	}
	logs, err := demo.Fill(ctx, s.recorder, time.Now())
	if err != nil {
		return err
	}
	s.logger.InfoContext(ctx, "made up", "logs", logs, "learners", len(demo.Learners()))
	return nil
}

func (s *service) startPages(ctx context.Context) error {
	config := dashboard.Config{
		Reader:         s.reader,
		Recorder:       s.recorder,
		Jobs:           s.jobs,
		Keys:           s.keys,
		Trail:          s.trail,
		Login:          s.login,
		PublicURL:      strings.TrimSuffix(s.flags.PublicURL, "/"),
		OnErased:       s.erased.OnChange,
		Zone:           s.flags.TimeZone.location,
		Problems:       s.problems,
		RequestTimeout: s.flags.RequestTimeout,
		Logger:         s.logger,
	}
	if s.shareLinks != nil {
		config.ShareLinks = s.shareLinks
	}
	if s.flags.Admin {
		known, err := zones.Open()
		if err != nil {
			return err
		}
		config.Operations, config.JobsPath = s.operations(known), api.JobsPath
	}
	pages, err := dashboard.New(config)
	if err != nil {
		return err
	}
	s.pages = api.Pages{
		Fail:        pages.Fail,
		StreakBadge: pages.StreakBadge, CalendarBadge: pages.CalendarBadge,
		Static: pages.Static, Start: pages.Start, FindUser: pages.FindUser, Learner: pages.Learner, Void: pages.Void,
		ChangeSettings: pages.ChangeSettings,
	}
	s.addLoginPages(pages)
	if s.shareLinks != nil {
		s.pages.ListShareLinks, s.pages.CreateShareLink, s.pages.RevokeShareLink = pages.ListShareLinks, pages.CreateShareLink, pages.RevokeShareLink
	}
	if !s.flags.Admin {
		return nil
	}
	return s.startOperatorsPages(ctx, pages)
}

// addLoginPages adds those for which there are ways to log in.
func (s *service) addLoginPages(pages *dashboard.Pages) {
	if s.login == nil {
		return
	}
	s.pages.LogIn, s.pages.LogOut = pages.LogIn, pages.LogOut
	if s.login.BeginWithKey != nil {
		s.pages.LogInWithKey = pages.LogInWithKey
	}
	if s.login.Provider != nil {
		s.pages.StartLogin, s.pages.FinishLogin = pages.StartLogin, pages.FinishLogin
	}
}

// operations is what the operators' page shows.
func (s *service) operations(known *zones.Database) *dashboard.Operations {
	version, _ := build()
	return &dashboard.Operations{Version: version, Ready: s.migrator.Check, Recent: s.watchMetrics(), Zones: known}
}

func (s *service) startOperatorsPages(ctx context.Context, pages *dashboard.Pages) error {
	s.pages.Erase = pages.Erase
	s.pages.Operator, s.pages.CancelRebuild = pages.Operator, pages.CancelRebuild
	s.pages.CancelWaiting = pages.CancelWaiting
	s.pages.ResumeQueue, s.pages.Audit = pages.ResumeQueue, pages.Audit
	if s.keys != nil {
		s.pages.ListKeys, s.pages.CreateKey = pages.ListKeys, pages.CreateKey
		s.pages.RotateKey, s.pages.RevokeKey = pages.RotateKey, pages.RevokeKey
	}
	s.pages.RequestRebuild, s.pages.RequestRezone = pages.RequestRebuild, pages.RequestRezone
	s.pages.RequestPurge = pages.RequestPurge
	jobPages, err := jobpages.New(jobpages.Config{
		Client:   s.jobs.Client(),
		Path:     api.JobsPath,
		Back:     "/admin",
		Ready:    s.migrator.Check,
		Problems: s.problems,
		Trail:    s.trail,
		Logger:   onlyWarnings(s.logger),
	})
	if err != nil {
		return err
	}
	if err := jobPages.Start(ctx); err != nil {
		return err
	}
	s.stops.add("pages about jobs", jobPages.Stop)
	s.pages.Jobs = jobPages
	return nil
}

// watchMetrics keeps the metrics of the last minutes for operators.
func (s *service) watchMetrics() *metrics.Recent {
	recent := metrics.NewRecent(metrics.Sources{
		Requests: s.requests, PostRoute: api.RecordPath, Writes: s.writes, Queue: s.recorder, Pool: s.database.pool,
	})
	go func() {
		if err := panics.Caught(func() { recent.Run(s.stopping, s.logger) }); err != nil {
			s.fail(fmt.Errorf("watching the metrics: %w", err))
		}
	}()
	return recent
}

func (s *service) makeHandler(context.Context) (err error) {
	version, _ := build()
	config := api.Config{
		Recorder:       s.recorder,
		Reader:         s.reader,
		Jobs:           s.jobs,
		Trail:          s.trail,
		Version:        version,
		Limits:         s.flags.limits(),
		Ready:          s.migrator.Check,
		Problems:       s.problems,
		RequestTimeout: s.flags.RequestTimeout,
		Connections:    int(s.database.pool.Config().MaxConns),
		AllowedHosts:   s.flags.allowedHosts(),
		AllowedOrigins: s.flags.AllowedOrigins,
		TrustedProxies: s.flags.trustedProxies(),
		Access:         s.access,
		Keys:           s.keys,
		OnErased:       s.erased.OnChange,
		LogsPerSecond:  s.flags.LogsPerSecond,
		Requests:       s.requests,
		Metrics:        s.metrics,
		Stopping:       s.stopping,
		Pages:          s.pages,
		Logger:         s.logger,
	}
	if s.shareLinks != nil {
		config.ShareLinks = s.shareLinks
	}
	s.handler, err = api.New(config)
	return err
}

func (s *service) serveRequests(ctx context.Context) error {
	requests, abandonRequests := context.WithCancel(context.WithoutCancel(ctx))
	server, limited := s.httpServer()
	server.BaseContext = func(net.Listener) context.Context { return requests }
	server.RegisterOnShutdown(s.endStreams)
	go func() { s.fail(fmt.Errorf("serving requests: %w", server.Serve(limited))) }()
	s.stops.add("requests", func(ctx context.Context) error {
		defer abandonRequests()
		if err := server.Shutdown(ctx); err != nil {
			s.logger.WarnContext(ctx, "some requests took too long and are abandoned", "error", err)
			return server.Close()
		}
		return nil
	})
	return nil
}

// announce reports that the service is ready, in the log and on standard output.
func (s *service) announce(ctx context.Context) {
	s.logger.InfoContext(ctx, "ready", "address", s.listener.Addr().String(), "data", s.database.where, "time_zone", s.flags.TimeZone.location.String())
	if s.flags.LogFormat != "text" {
		return
	}
	if s.listener.Addr().Network() == "unix" {
		greetAtSocket(s.stdout, s.listener.Addr(), s.database)
		return
	}
	if s.flags.isOpen() {
		greet(s.stdout, s.listener.Addr(), s.database, s.flags.Admin)
	} else {
		greetClosed(s.stdout, s.flags.publicURL(s.listener.Addr()), s.flags.accepts(withKeys), s.flags.databaseFlags)
	}
	if s.flags.Demo {
		printDemoLearners(s.stdout, s.listener.Addr())
	}
}

// keepRunning runs something until the service has stopped what needs it.
func (s *service) keepRunning(ctx context.Context, name string, run func(context.Context)) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := panics.Caught(func() { run(running) }); err != nil {
			s.fail(fmt.Errorf("following the %s: %w", name, err))
		}
	}()
	s.stops.add(name, func(context.Context) error {
		stop()
		<-done
		return nil
	})
}
