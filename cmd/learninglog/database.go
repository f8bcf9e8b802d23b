package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"learninglog/internal/embeddedpg"
	"learninglog/internal/postgres"
)

// databaseFlags say which database is meant.
type databaseFlags struct {
	DatabaseURL string `name:"database-url" env:"DATABASE_URL" placeholder:"postgres://…" help:"The PostgreSQL database, 15 or newer. Without it, the embedded one in --data-dir."`
	DataDir     string `name:"data-dir" env:"LEARNINGLOG_DATA_DIR" type:"path" default:"${data_dir}" help:"Where the embedded PostgreSQL keeps its data."`
}

// Validate is called by kong, before the command does anything. A command that has a
// Validate of its own, or embeds other flags with one, has to call this one too.
func (f databaseFlags) Validate() error {
	switch {
	case f.DatabaseURL != "":
		return postgres.CheckURL(f.DatabaseURL)
	case f.DataDir == "": // or a database would be made in whatever is the current directory
		return errors.New("--data-dir must name a directory, not nothing")
	default:
		return nil
	}
}

// database is a database that was opened, and how to close it.
type database struct {
	pool *pgxpool.Pool
	// embedded is the server that this process runs, if it does.
	embedded *embeddedpg.Server
	// where says to a person where the data is.
	where string
}

// run opens the database for a service. The embedded server is this process's
// to run, and a database that is starting up too is waited for.
func (f databaseFlags) run(ctx context.Context, logger *slog.Logger) (*database, error) {
	const patience = 30 * time.Second
	if f.DatabaseURL != "" {
		return connect(ctx, f.DatabaseURL, patience, logger)
	}
	server, err := embeddedpg.Start(ctx, embeddedpg.Config{DataDir: f.DataDir, Logger: logger})
	if err != nil {
		return nil, err
	}
	opened, err := connect(ctx, server.URL(), patience, logger)
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	opened.embedded = server
	opened.where = fmt.Sprintf("%s (embedded PostgreSQL %d)", server.DataDir(), server.Version())
	return opened, nil
}

// open opens the database for a command that runs beside a service or without
// one: an embedded server that a service runs is used, one that nobody runs is
// run for as long as the command takes.
func (f databaseFlags) open(ctx context.Context, logger *slog.Logger) (*database, error) {
	const patience = 5 * time.Second
	if f.DatabaseURL != "" {
		return connect(ctx, f.DatabaseURL, patience, logger)
	}
	opened, err := f.run(ctx, logger)
	if errors.Is(err, embeddedpg.ErrInUse) {
		return connect(ctx, embeddedpg.URL(f.DataDir), patience, logger)
	}
	return opened, err
}

// openExisting is open, but creates no embedded database.
func (f databaseFlags) openExisting(ctx context.Context, logger *slog.Logger) (*database, error) {
	if f.DatabaseURL == "" && !embeddedpg.Exists(f.DataDir) {
		return nil, fmt.Errorf("there is no database in %s yet: start `%s` first, "+
			"or name another with --data-dir or --database-url", f.DataDir, f.paste("serve"))
	}
	return f.open(ctx, logger)
}

// commandLogger is for what a person who waits for a command should know.
func commandLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func connect(ctx context.Context, address string, patience time.Duration, logger *slog.Logger) (*database, error) {
	pool, err := postgres.Open(ctx, address, patience, logger)
	if err != nil {
		return nil, err
	}
	return &database{pool: pool, where: cmp.Or(withoutPassword(address), "the database of DATABASE_URL")}, nil
}

// withoutPassword returns the address for a person to read, or nothing if the
// password can't be told apart in it.
func withoutPassword(address string) string {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme == "" {
		return "" // key=value pairs
	}
	query := parsed.Query()
	if query.Has("password") {
		query.Set("password", "xxxxx")
		parsed.RawQuery = query.Encode()
	}
	return parsed.Redacted()
}

// close gives up the database, and stops the server if this process runs it.
func (d *database) close() error {
	d.pool.Close()
	if d.embedded == nil {
		return nil
	}
	return d.embedded.Stop()
}
