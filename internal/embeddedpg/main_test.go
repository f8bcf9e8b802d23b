package embeddedpg_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
)

// roleVariable makes this test binary act as a program that the tests start as a
// separate process, to kill it or to run it as another user.
const roleVariable = "EMBEDDEDPG_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); role {
	case "":
		code := m.Run()
		if err := example.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "removing the example:", err)
			code = max(code, 1)
		}
		os.Exit(code)
	case "service":
		runService()
	case "download":
		runDownload()
	default:
		fmt.Fprintln(os.Stderr, "unknown role:", role)
		os.Exit(2)
	}
}

// answer is what the programs print, as lines of JSON.
type answer struct {
	PID    int
	URL    string
	Folder string
	Major  int
	Error  string
	InUse  bool
}

func (a answer) print(err error) {
	if err != nil {
		a.Error = err.Error()
		a.InUse = errors.Is(err, embeddedpg.ErrInUse)
	}
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		panic(err)
	}
}

// runService runs the server of the data directory in its argument until its input
// ends, which happens when the tests end at the latest.
func runService() {
	server, err := embeddedpg.Start(context.Background(), embeddedpg.Config{
		DataDir:  os.Args[1],
		Settings: settings(),
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		answer{}.print(err)
		return
	}
	answer{PID: server.PID(), URL: server.URL()}.print(nil)
	_, _ = io.Copy(io.Discard, os.Stdin)
	answer{}.print(server.Stop())
}

// runDownload downloads PostgreSQL from the repository in its argument, never from
// the network. The end of its input interrupts it.
func runDownload() {
	http.DefaultTransport = repository(os.Args[1])
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	dir, major, err := embeddedpg.Download(ctx, 0)
	answer{Folder: dir, Major: major}.print(err)
}

// program is a running process with one of the roles.
type program struct {
	command *exec.Cmd
	input   io.Closer
	output  *json.Decoder
}

// startProgram starts a program, as another user unless as is nil.
func startProgram(t *testing.T, as *syscall.Credential, environment []string, role string, arguments ...string) *program {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	if as != nil {
		binary = "/proc/self/exe" // other users can't enter the directory of the binary
	}
	command := exec.Command(binary, arguments...)
	command.Dir = "/"
	command.Env = append(append(os.Environ(), roleVariable+"="+role), environment...)
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	input, err := command.StdinPipe()
	require.NoError(t, err)
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	started := &program{command: command, input: input, output: json.NewDecoder(output)}
	t.Cleanup(started.kill)
	return started
}

func (p *program) answer(t *testing.T) answer {
	t.Helper()
	const timeout = time.Minute
	kill := time.AfterFunc(timeout, func() { _ = p.command.Process.Kill() })
	defer kill.Stop()
	var got answer
	require.NoError(t, p.output.Decode(&got), "the program ended without an answer")
	return got
}

// kill kills the program, so that it can't clean up.
func (p *program) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// service is a process that runs the server of a data directory.
type service struct {
	*program
	answer
}

func startService(t *testing.T, as *syscall.Credential, dataDir string) service {
	t.Helper()
	program := startProgram(t, as, nil, "service", dataDir)
	started := service{program: program, answer: program.answer(t)}
	require.Empty(t, started.Error)
	t.Cleanup(func() {
		program.kill()
		if !ended(started.PID) {
			_ = syscall.Kill(started.PID, syscall.SIGQUIT)
			waitUntilEnded(t, started.PID)
		}
	})
	return started
}

// stop ends the service, which shuts its server down.
func (s service) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.input.Close())
	require.Empty(t, s.program.answer(t).Error)
	require.NoError(t, s.command.Wait())
}

func waitUntilEnded(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return ended(pid) }, 30*time.Second, time.Millisecond, "process %d doesn't end", pid)
}

func ended(pid int) bool {
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || isZombie(pid)
}
