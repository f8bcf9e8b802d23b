package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"learninglog/internal/embeddedpg"
)

// scratch is a temporary PostgreSQL server with the durability of a real one, and
// the services that use it.
type scratch struct {
	server   *embeddedpg.Server
	dir      string
	services []*service
}

func newScratch(ctx context.Context, f *flags) (*scratch, error) {
	dir, err := os.MkdirTemp(f.Dir, "learninglog-bench-")
	if err != nil {
		return nil, err
	}
	const everybodyMayPass = 0o755 // the server's user must be able to enter it
	if err := os.Chmod(dir, everybodyMayPass); err != nil {
		return nil, err
	}
	s := &scratch{dir: dir}
	settings := map[string]string{"max_connections": "400"}
	maps.Copy(settings, f.Settings)
	s.server, err = embeddedpg.Start(ctx, embeddedpg.Config{
		DataDir:  filepath.Join(dir, "data"),
		Settings: settings,
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *scratch) close() error {
	var failures []error
	for _, service := range s.services {
		failures = append(failures, service.stop())
	}
	return errors.Join(append(failures, s.server.Stop(), os.RemoveAll(s.dir))...)
}

// database creates a database and returns its address.
func (s *scratch) database(ctx context.Context, name string) (string, error) {
	return s.copyOf(ctx, "template1", name) // which is PostgreSQL's own
}

// migrated creates a database with the tables of a service.
func (s *scratch) migrated(ctx context.Context, binary, name string) (string, error) {
	url, err := s.database(ctx, name)
	if err != nil {
		return "", err
	}
	if output, err := exec.CommandContext(ctx, binary, "migrate", "--database-url", url).CombinedOutput(); err != nil {
		return "", fmt.Errorf("migrating: %w: %s", err, output)
	}
	return url, nil
}

// copyOf creates a copy of a database that nobody is connected to, and returns its
// address.
func (s *scratch) copyOf(ctx context.Context, template, name string) (string, error) {
	if err := execute(ctx, s.server.URL(), "CREATE DATABASE "+name+" TEMPLATE "+template, "CHECKPOINT"); err != nil {
		return "", err
	}
	address, err := url.Parse(s.server.URL())
	if err != nil {
		return "", err
	}
	address.Path = "/" + name
	return address.String(), nil
}

// remove stops a service and drops its database.
func (s *scratch) remove(ctx context.Context, of *service, database string) error {
	s.services = slices.DeleteFunc(s.services, func(one *service) bool { return one == of })
	return errors.Join(of.stop(), execute(ctx, s.server.URL(), "DROP DATABASE "+database))
}

func execute(ctx context.Context, address string, statements ...string) error {
	connection, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	for _, statement := range statements {
		if _, err := connection.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(statement), err)
		}
	}
	return nil
}

// service is a running `learninglog serve`.
type service struct {
	scratch *scratch
	address string
	command *exec.Cmd
	// key is what its callers send, or empty.
	key string
}

func (s *service) processorTime() (processorTime, error) { return s.scratch.processorTime(s) }

// serve starts a service on a database, and returns when it is ready.
func (s *scratch) serve(ctx context.Context, binary, databaseURL string, arguments ...string) (*service, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(s.dir, "service-"+strings.ReplaceAll(address, ":", "-")+".log"))
	if err != nil {
		return nil, err
	}
	serve := []string{"serve", "--addr", address, "--database-url", databaseURL, "--verify-every", "0"}
	command := exec.CommandContext(ctx, binary, append(serve, arguments...)...)
	command.Stderr = log // as in production, the log is written somewhere
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	if err := errors.Join(command.Start(), log.Close()); err != nil {
		return nil, err
	}
	running := &service{scratch: s, address: address, command: command}
	s.services = append(s.services, running)
	return running, running.waitUntilReady(ctx)
}

func (s *service) waitUntilReady(ctx context.Context) error {
	const timeout, pause = 30 * time.Second, 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the service is not ready: %w", errors.Join(err, ctx.Err()))
		case <-time.After(pause):
		}
	}
}

func (s *service) stop() error {
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return s.command.Wait()
}

// residentBytes returns the resident memory of the service. It works only on Linux.
func (s *service) residentBytes() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0, err
	}
	return resident * int64(os.Getpagesize()), nil
}
