package pgtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/testcontainers/testcontainers-go"
	container "github.com/testcontainers/testcontainers-go/modules/postgres"

	"learninglog/internal/embeddedpg"
)

// Image is the container image of the tests' server.
const Image = "postgres:18"

// startServer returns the address of a server and a function that stops it.
func startServer(ctx context.Context) (url string, stop func() error, err error) {
	if url := cmp.Or(os.Getenv(clusterVariable), os.Getenv("TEST_DATABASE_URL")); url != "" {
		return url, func() error { return nil }, nil
	}
	if dockerAnswers(ctx) {
		if url, stop, err = startContainer(ctx); err == nil {
			return url, stop, nil
		}
		fmt.Fprintln(os.Stderr, "Docker answers, but the tests use the embedded server:", err)
	}
	return startEmbedded(ctx)
}

// settings make a server fast but not durable. An interrupted test starts again with
// a new server.
func settings() map[string]string {
	return map[string]string{
		"fsync":              "off",
		"synchronous_commit": "off",
		"full_page_writes":   "off",
		"max_connections":    "500",
		"shared_buffers":     "128MB", // all of them are looked at when a database is dropped
	}
}

func dockerAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// testcontainers first connects to the engine without ctx. An engine that hangs
	// would block the tests for ever.
	answers := make(chan bool, 1)
	go func() { answers <- askDocker(ctx) }()
	select {
	case answer := <-answers:
		return answer
	case <-ctx.Done():
		return false
	}
}

func askDocker(ctx context.Context) (answers bool) {
	// Without an engine, testcontainers panics instead of returning an error.
	defer func() {
		if recover() != nil {
			answers = false
		}
	}()
	provider, err := testcontainers.ProviderDocker.GetProvider()
	if err != nil {
		return false
	}
	defer func() { _ = provider.Close() }()
	return provider.Health(ctx) == nil
}

func startContainer(ctx context.Context) (string, func() error, error) {
	command := []string{"postgres"}
	for name, value := range settings() {
		command = append(command, "-c", name+"="+value)
	}
	running, err := container.Run(ctx, Image,
		container.BasicWaitStrategies(),
		testcontainers.WithCmd(command...))
	stop := func() error { return testcontainers.TerminateContainer(running) }
	if err != nil { // a container may exist nevertheless
		return "", nil, errors.Join(fmt.Errorf("starting %s in Docker: %w", Image, err), stop())
	}
	url, err := running.ConnectionString(ctx, "sslmode=disable")
	if err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return url, stop, nil
}

func startEmbedded(ctx context.Context) (string, func() error, error) {
	dir, err := os.MkdirTemp("", "learninglog-test-")
	if err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", nil, err
	}
	running, err := embeddedpg.Start(ctx, embeddedpg.Config{
		DataDir:  dir,
		Settings: settings(),
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	stop := func() error { return errors.Join(running.Stop(), os.RemoveAll(dir)) }
	return running.URL(), stop, nil
}
