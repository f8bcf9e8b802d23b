package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// program is the path of the binary. It is built like a release, but with the race
// detector if the tests use it.
var program string //nolint:gochecknoglobals // built once, by TestMain

// apiDocument is the OpenAPI document of the program.
var apiDocument *written //nolint:gochecknoglobals // read once, by TestMain

func TestMain(m *testing.M) {
	if name := os.Getenv(attackVariable); name != "" {
		attackUntilTold(name, os.Getenv(targetVariable), os.Getenv(keyVariable))
		return
	}
	runMoreAtATime()
	dir, err := os.MkdirTemp("", "learninglog-bin-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "learninglog")
	build := exec.Command("go", "build", "-o", program)
	if raceDetector {
		build.Args = append(build.Args, "-race")
	}
	build.Args = append(build.Args, ".")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		panic(fmt.Sprintf("building the program: %v", err))
	}
	code := 1
	func() {
		defer func() { _ = os.RemoveAll(dir) }()
		apiDocument, err = readDocument(program)
		if err != nil {
			panic(err)
		}
		seen := compareAnswers(apiDocument)
		if code = pgtest.Run(m); seen.report() {
			code = 1
		}
	}()
	os.Exit(code)
}

// runMoreAtATime runs twice as many tests in parallel as there are processors,
// unless -parallel is set. Tests mostly wait for processes that they have started.
func runMoreAtATime() {
	flag.Parse()
	parallel := flag.Lookup("test.parallel")
	if parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0)))
	}
}

// service is a running `learninglog serve`.
type service struct {
	t       testing.TB
	base    string
	command *exec.Cmd
	done    chan struct{}
	err     error
	log     *lockedBuffer
	killed  bool
	greeted string
	started time.Time
	// key is sent along with requests, if it isn't empty.
	key string
}

// serve starts the service with additional arguments, on a free port and without
// routines, and returns when it is ready. At the end of the test, the service is
// stopped, which must succeed. If the test has failed, the end of the service's log
// is printed.
func serve(t testing.TB, arguments ...string) *service {
	t.Helper()
	s, err := tryServe(t, arguments...)
	require.NoError(t, err)
	return s
}

func tryServe(t testing.TB, arguments ...string) (*service, error) {
	t.Helper()
	return tryServeIn(t, environment(), arguments...)
}

// tryServeIn is like serve, but has its own environment, and returns an error if the
// service doesn't start.
func tryServeIn(t testing.TB, environment []string, arguments ...string) (*service, error) {
	t.Helper()
	command := exec.Command(program, serveArguments(arguments)...)
	command.Env = environment
	return startService(t, command)
}

// serveArguments returns the arguments of the program for a service in a test.
func serveArguments(more []string) []string {
	return append([]string{"serve", "--addr=127.0.0.1:0", "--log-level=debug", "--verify-every=0"}, more...)
}

// startService starts a command that becomes a service.
func startService(t testing.TB, command *exec.Cmd) (*service, error) {
	t.Helper()
	s := &service{t: t, command: command, done: make(chan struct{}), log: new(lockedBuffer), started: time.Now()}
	s.command.Stderr = s.log
	stdout, err := s.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.command.Start())
	t.Cleanup(s.end)

	ready := make(chan string, 1)
	go func() {
		var text strings.Builder
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			text.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "/summary?") || strings.HasSuffix(lines.Text(), "/login") {
				ready <- text.String()
			}
		}
		s.err = s.command.Wait()
		close(s.done)
	}()
	select {
	case s.greeted = <-ready:
	case <-s.done:
		return nil, fmt.Errorf("serve ended: %w", s.err)
	case <-time.After(time.Minute):
		return nil, errors.New("serve is not ready")
	}
	s.base = regexp.MustCompile(`address +(\S+)`).FindStringSubmatch(s.greeted)[1]
	return s, nil
}

// environment returns the environment of the tests, without the variables that
// select a database. With the race detector, every program would wait a second
// before it exits, to see what its goroutines still do; here it is a tenth of a
// second.
func environment() []string {
	kept := []string{"GORACE=" + strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=100")}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "LEARNINGLOG_") && !strings.HasPrefix(variable, "DATABASE_URL=") &&
			!strings.HasPrefix(variable, "GORACE=") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// stop ends the service as Ctrl-C does. If it has ended already, nothing happens.
func (s *service) stop() {
	if s.ended() {
		return
	}
	_ = s.command.Process.Signal(os.Interrupt)
	select {
	case <-s.done:
		assert.NoError(s.t, s.err, "the service stops well")
	case <-time.After(time.Minute):
		_ = s.command.Process.Kill()
		assert.Fail(s.t, "the service doesn't stop")
	}
	assertNever(s.t, s.log.String(), "DATA RACE", "panic", "table of routes")
}

// end stops the service if it is running, and prints the end of its log if the test
// has failed.
func (s *service) end() {
	s.stop()
	if !s.t.Failed() {
		return
	}
	file, err := s.log.keep()
	assert.NoError(s.t, err)
	if s.killed {
		s.t.Logf("the log of a service that was killed: %s", file)
		return
	}
	s.t.Logf("the log of the service at %s: %s; its end, without single requests:\n%s", s.base, file, s.log.tail())
}

func (s *service) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// kill kills the service, so that it can't clean up.
func (s *service) kill() {
	s.killed = true
	require.NoError(s.t, s.command.Process.Signal(syscall.SIGKILL))
	<-s.done
}

// answer is a complete HTTP response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call sends a request. If there is a body, its type is JSON.
func (s *service) call(method, path, body string) (answer, error) {
	return s.send(method, path, "application/json", body)
}

func (s *service) send(method, path, contentType, body string) (answer, error) {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, s.base+path, reader)
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if s.key != "" {
		request.Header.Set("Authorization", "Bearer "+s.key)
	}
	return do(request)
}

func do(request *http.Request) (answer, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	return answer{status: response.StatusCode, header: response.Header, body: read}, err
}

// mustAnswer is like call, but fails the test if there is no response.
func (s *service) mustAnswer(method, path, body string) answer {
	s.t.Helper()
	got, err := s.call(method, path, body)
	require.NoError(s.t, err)
	return got
}

// mustCall is like call, but fails the test if the response hasn't the status.
func (s *service) mustCall(status int, method, path, body string) answer {
	s.t.Helper()
	got, err := s.call(method, path, body)
	require.NoError(s.t, err)
	require.Equal(s.t, status, got.status, "%s %s: %s", method, path, got.body)
	return got
}

func (a answer) decode(t testing.TB, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.body, into), "%s", a.body)
}

// newLog returns a log of today in JSON. The additional fields may override this.
func newLog(user uuid.UUID, words int, more ...string) string {
	return logWithID(uuid.New(), user, words, more...)
}

func logWithID(id, user uuid.UUID, words int, more ...string) string {
	fields := append([]string{fmt.Sprintf(`"request_id":"%s","user_id":"%s","word_count":%d`, id, user, words)}, more...)
	return "{" + strings.Join(fields, ",") + "}"
}

// total returns the words and entries of a user's last 30 days.
func (s *service) total(user uuid.UUID) (words, entries int) { return s.sums(user, "") }

// sums returns the words and entries of the summary that a query asks for.
func (s *service) sums(user uuid.UUID, query string) (words, entries int) {
	s.t.Helper()
	var summary struct {
		Words   int `json:"total_word_count"`
		Entries int `json:"entry_count"`
	}
	s.mustCall(http.StatusOK, http.MethodGet, "/v1/users/"+user.String()+"/summary"+query, "").decode(s.t, &summary)
	return summary.Words, summary.Entries
}

// run runs a command of the program until it ends.
func run(t testing.TB, arguments ...string) (stdout, stderr string, status int) {
	t.Helper()
	return runIn(t, environment(), arguments...)
}

// runIn is like run, but has its own environment.
func runIn(t testing.TB, environment []string, arguments ...string) (stdout, stderr string, status int) {
	t.Helper()
	const hangs = 5 * time.Minute // no command takes so long, even on a slow machine
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env = environment
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	err := command.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		require.NoError(t, err)
	}
	assertNever(t, problems.String(), "DATA RACE")
	return out.String(), problems.String(), command.ProcessState.ExitCode()
}

// needCurl skips a test that pastes lines into a shell if curl is missing.
func needCurl(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		skipUnlessRequired(t, "there is no curl to try what a person would paste: install it, and run `go clean -testcache`")
	}
}

// dataDir returns a new directory that the embedded server's user can enter, with a
// path that is short enough for a socket.
func dataDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ll-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
