package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"learninglog/internal/embeddedpg"
	"learninglog/internal/postgres"
)

// databaseFlags select the database.
type databaseFlags struct {
	DatabaseURL string `name:"database-url" env:"DATABASE_URL" placeholder:"postgres://…" help:"The PostgreSQL database, 15 or newer. Without it, the embedded one in --data-dir."`
	DataDir     string `name:"data-dir" env:"LEARNINGLOG_DATA_DIR" type:"path" default:"${data_dir}" help:"Where the embedded PostgreSQL keeps its data."`
}

// Validate is called by kong before the command runs. If a command has its own
// Validate, or embeds other flags that have one, its Validate must call this one
// too.
func (f databaseFlags) Validate() error {
	switch {
	case f.DatabaseURL != "":
		return postgres.CheckURL(f.DatabaseURL)
	case f.DataDir == "": // otherwise a database would be created in the current directory
		return errors.New("--data-dir must name a directory, not nothing")
	default:
		return nil
	}
}

// database is an open database.
type database struct {
	pool *pgxpool.Pool
	// embedded is the server that this process runs, or nil.
	embedded *embeddedpg.Server
	// where tells a person where the data is.
	where string
}

// openForService opens the database for a service: it runs the embedded server, or waits for a
// database that is still starting.
func (f databaseFlags) openForService(ctx context.Context, logger *slog.Logger) (*database, error) {
	const timeout = 30 * time.Second
	if f.DatabaseURL != "" {
		return connect(ctx, f.DatabaseURL, timeout, logger)
	}
	server, err := embeddedpg.Start(ctx, embeddedpg.Config{DataDir: f.DataDir, Logger: logger})
	if err != nil {
		return nil, err
	}
	opened, err := connect(ctx, server.URL(), timeout, logger)
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	opened.embedded = server
	opened.where = fmt.Sprintf("%s (embedded PostgreSQL %d)", server.DataDir(), server.Version())
	return opened, nil
}

// open opens the database for a command, with or without a running service. If a
// service runs the embedded server, the command uses that; otherwise the command
// runs the server itself until it ends.
func (f databaseFlags) open(ctx context.Context, logger *slog.Logger) (*database, error) {
	const timeout = 5 * time.Second
	if f.DatabaseURL != "" {
		return connect(ctx, f.DatabaseURL, timeout, logger)
	}
	opened, err := f.openForService(ctx, logger)
	if errors.Is(err, embeddedpg.ErrInUse) {
		return connect(ctx, embeddedpg.URL(f.DataDir), timeout, logger)
	}
	return opened, err
}

// openExisting is like open, but doesn't create an embedded database.
func (f databaseFlags) openExisting(ctx context.Context, logger *slog.Logger) (*database, error) {
	if f.DatabaseURL == "" && !embeddedpg.Exists(f.DataDir) {
		return nil, fmt.Errorf("there is no database in %s yet: start `%s` first, "+
			"or name another with --data-dir or --database-url", f.DataDir, f.paste("serve"))
	}
	return f.open(ctx, logger)
}

// commandLogger logs what a person should know while waiting for a command.
func commandLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func connect(ctx context.Context, address string, timeout time.Duration, logger *slog.Logger) (*database, error) {
	pool, err := postgres.Open(ctx, address, timeout, logger)
	if err != nil {
		return nil, err
	}
	return &database{pool: pool, where: postgres.Address(address)}, nil
}

// close closes the database, and stops the server if this process runs it.
func (d *database) close() error {
	d.pool.Close()
	if d.embedded == nil {
		return nil
	}
	return d.embedded.Stop()
}
