package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// sending is a running `learninglog import` or `learninglog void`.
type sending struct {
	t      testing.TB
	stdin  io.WriteCloser
	stdout lockedBuffer
	stderr lockedBuffer
	*exec.Cmd
}

// start starts a command in its own directory. Its standard input is a pipe.
func start(t testing.TB, arguments ...string) *sending {
	t.Helper()
	s := &sending{t: t, Cmd: exec.Command(program, arguments...)}
	s.Dir, s.Env = t.TempDir(), environment()
	s.Stdout, s.Stderr = &s.stdout, &s.stderr
	var err error
	s.stdin, err = s.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, s.Start())
	t.Cleanup(func() { _ = s.Process.Kill() })
	return s
}

// end waits until the command has ended, and returns its exit status.
func (s *sending) end() int {
	s.t.Helper()
	_ = s.Wait()
	assertNever(s.t, s.stderr.String(), "DATA RACE")
	return s.ProcessState.ExitCode()
}

// counted returns the number of logs for each outcome in the report.
func counted(t testing.TB, report string) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for line := range strings.Lines(report) {
		fields := strings.Fields(line)
		var logs int
		if _, err := fmt.Sscan(fields[len(fields)-1], &logs); err == nil {
			counts[strings.Join(fields[:len(fields)-1], " ")] = logs
		}
	}
	require.NotEmpty(t, counts, report)
	return counts
}

// reject is a line of a file of rejects.
type reject struct {
	Line        int
	Outcome     string
	Entry       string
	Errors      []struct{ Location, Message string }
	LearningLog *struct {
		WordCount int `json:"word_count"`
	} `json:"learning_log"`
}

func readRejects(t testing.TB, path string) (rejects []reject) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range bytes.Lines(text) {
		var r reject
		require.NoError(t, json.Unmarshal(line, &r), "%s", line)
		rejects = append(rejects, r)
	}
	return rejects
}

func writeFile(t testing.TB, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestImport(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	now := time.Now().UTC().Format(time.RFC3339)
	for name, write := range map[string]func(id, user uuid.UUID, words int) string{
		"logs.ndjson": func(id, user uuid.UUID, words int) string { return logWithID(id, user, words) },
		"logs.csv":    func(id, user uuid.UUID, words int) string { return fmt.Sprintf("%d,%s,%s,%s", words, now, user, id) },
	} {
		user := uuid.New()
		text := map[bool]string{true: "word_count,timestamp,user_id,request_id\r\n"}[name == "logs.csv"]
		for range 700 {
			text += write(uuid.New(), user, 2) + "\r\n"
		}
		path := writeFile(t, name, text)
		for _, outcome := range []string{"recorded", "already recorded"} {
			stdout, stderr, status := run(t, "import", path, "--url", s.base)
			assert.Zero(t, status, "%s: %s", name, stderr)
			assert.Equal(t, 700, counted(t, stdout)[outcome], "%s: %s", name, stdout)
			assert.NotContains(t, stderr, "\r", "no bar where there is no terminal")
			words, entries := s.total(user)
			assert.Equal(t, []int{1400, 700}, []int{words, entries}, "importing again is safe")
		}
		assert.NoFileExists(t, path+".rejects.ndjson", "there were none")
	}
}

func TestImportFromStandardInputAsItArrives(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	i := start(t, "import", "-", "--url", s.base)
	for logs := 1; logs <= 2; logs++ {
		_, err := fmt.Fprintln(i.stdin, newLog(user, 1))
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			words, _ := s.total(user)
			return words == logs
		}, eventually, often, "it is recorded before the input ends")
	}
	require.Eventually(t, func() bool {
		return strings.Contains(i.stderr.String(), "2 logs, ")
	}, eventually, often, "where there is no terminal, a line now and then tells how far it is")
	assert.NotContains(t, i.stderr.String(), "\r")
	require.NoError(t, i.stdin.Close())
	assert.Zero(t, i.end(), i.stderr.String())
	assert.Equal(t, 2, counted(t, i.stdout.String())["recorded"])
}

func TestImportWritesRejectsToBeMended(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user, id := uuid.New(), uuid.New()
	bad := strings.Replace(newLog(user, 5), "5}", "-5}", 1)
	path := writeFile(t, "logs.ndjson", strings.Join([]string{
		logWithID(id, user, 1), "", bad, "nonsense", logWithID(id, user, 2),
	}, "\n"))

	stdout, stderr, status := run(t, "import", path, "--url", s.base)

	assert.Equal(t, 1, status, stderr)
	assert.Equal(t, map[string]int{
		"recorded": 1, "already recorded": 0, "request id reused": 1, "invalid": 2,
	}, counted(t, stdout))
	assert.Contains(t, stdout, path+".rejects.ndjson")
	rejects := readRejects(t, path+".rejects.ndjson")
	require.Len(t, rejects, 3)
	assert.Equal(t, []int{3, 4, 5}, []int{rejects[0].Line, rejects[1].Line, rejects[2].Line})
	assert.Equal(t, "word_count", rejects[0].Errors[0].Location)
	assert.Contains(t, rejects[0].Errors[0].Message, "from 0 to 1000000")
	assert.Equal(t, "request_id_reused", rejects[2].Outcome)
	assert.Equal(t, "request_id", rejects[2].Errors[0].Location)
	assert.Equal(t, 1, rejects[2].LearningLog.WordCount, "what is recorded instead")

	mended := writeFile(t, "mended", strings.Replace(rejects[0].Entry, "-5}", "5}", 1))
	_, stderr, status = run(t, "import", mended, "--url", s.base)
	assert.Zero(t, status, stderr)
	words, entries := s.total(user)
	assert.Equal(t, []int{6, 2}, []int{words, entries})
}

// An export of another program may have no times for some of its rows.
func TestAnImportLetsNoRowCountTodayUnlessItIsTold(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	path := writeFile(t, "logs.csv", "request_id,user_id,word_count,timestamp\n"+
		fmt.Sprintf("%s,%s,1,2024-01-10T15:30:00Z\n%s,%s,2,\n", uuid.New(), user, uuid.New(), user))

	stdout, stderr, status := run(t, "import", path, "--url", s.base)

	assert.Equal(t, 1, status, stderr)
	assert.Equal(t, 1, counted(t, stdout)["invalid"])
	words, entries := s.total(user)
	assert.Equal(t, []int{0, 0}, []int{words, entries}, "lately")
	rejects := readRejects(t, path+".rejects.ndjson")
	require.Len(t, rejects, 1)
	assert.Equal(t, "timestamp", rejects[0].Errors[0].Location)

	_, stderr, status = run(t, "import", path, "--url", s.base, "--empty-timestamp", "now")

	assert.Zero(t, status, stderr)
	words, entries = s.total(user)
	assert.Equal(t, []int{2, 1}, []int{words, entries}, "lately")
	assert.Equal(t, map[string]int{"2024-01-10": 1}, s.days(user, "2024-01-01", "2024-01-31"))
}

func TestImportOfLogsOfOtherClocks(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	text := "request_id,user_id,word_count,timestamp,time_zone,utc_offset\n"
	for _, rest := range []string{
		"1,2024-01-10T15:30:00Z,,",
		"2,2024-01-10T15:30:00Z,Asia/Tokyo,",
		"4,2024-01-10T00:30:00Z,,-03:30",
		"8,2024-01-10T15:30:00Z,Asia/Tokyo,-12:00",
	} {
		text += uuid.NewString() + "," + user.String() + "," + rest + "\n"
	}

	stdout, stderr, status := run(t, "import", writeFile(t, "logs.csv", text), "--url", s.base)

	assert.Zero(t, status, stderr)
	assert.Equal(t, 4, counted(t, stdout)["recorded"])
	assert.Equal(t, map[string]int{"2024-01-09": 4, "2024-01-10": 1, "2024-01-11": 10}, s.days(user, "2024-01-01", "2024-01-31"))
}

// A file with corrections can be imported as often as any other.
func TestImportOfLogsThatReplaceOthers(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	user, wrong, right := uuid.New(), uuid.New(), uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", logWithID(wrong, user, 50))
	path := writeFile(t, "logs.csv", "request_id,user_id,word_count,replaces\n"+
		fmt.Sprintf("%s,%s,5,%s\n", right, user, wrong)+
		fmt.Sprintf("%s,%s,7,\n", uuid.New(), user))
	report := map[string]int{"recorded": 2, "already recorded": 0, "request id reused": 0, "invalid": 0}

	stdout, stderr, status := run(t, "import", path, "--url", s.base)
	assert.Zero(t, status, stderr)
	assert.Equal(t, report, counted(t, stdout))

	report["recorded"], report["already recorded"] = 0, 2
	stdout, stderr, status = run(t, "import", path, "--url", s.base)
	assert.Zero(t, status, stderr)
	assert.Equal(t, report, counted(t, stdout))

	words, entries := s.total(user)
	assert.Equal(t, []int{12, 2}, []int{words, entries})
	assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, databaseURL)))
}

func TestImportRejectsALogThatReplacesNone(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	path := writeFile(t, "logs.ndjson", newLog(user, 1)+"\n"+newLog(user, 2, `"replaces":"`+uuid.NewString()+`"`))

	stdout, stderr, status := run(t, "import", path, "--url", s.base)

	assert.Equal(t, 1, status, stderr)
	assert.Equal(t, map[string]int{
		"recorded": 1, "already recorded": 0, "request id reused": 0, "replaced unknown": 1, "invalid": 0,
	}, counted(t, stdout))
	rejects := readRejects(t, path+".rejects.ndjson")
	require.Len(t, rejects, 1)
	assert.Equal(t, 2, rejects[0].Line)
	assert.Equal(t, "replaced_unknown", rejects[0].Outcome)
	assert.Equal(t, "replaces", rejects[0].Errors[0].Location)
	words, _ := s.total(user)
	assert.Equal(t, 1, words)
}

// Such a log is neither recorded now nor wrong.
func TestImportOfLogsThatWereTakenBack(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user, id := uuid.New(), uuid.New()
	path := writeFile(t, "logs.ndjson", logWithID(id, user, 1)+"\n"+newLog(user, 2))
	_, stderr, status := run(t, "import", path, "--url", s.base)
	require.Zero(t, status, stderr)
	_, stderr, status = run(t, "void", "--user", user.String(), id.String(), "--url", s.base)
	require.Zero(t, status, stderr)

	stdout, stderr, status := run(t, "import", path, "--url", s.base)

	assert.Zero(t, status, stderr)
	assert.Equal(t, map[string]int{
		"recorded": 0, "already recorded": 1, "taken back since": 1, "request id reused": 0, "invalid": 0,
	}, counted(t, stdout))
	assert.NoFileExists(t, path+".rejects.ndjson")
	words, _ := s.total(user)
	assert.Equal(t, 2, words, "it stays taken back")
}

func TestAnImportWithoutRejectsLeavesNoneOfAnEarlierOne(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	const earlier = "{}\n"
	path := writeFile(t, "logs.ndjson", newLog(uuid.New(), 1))
	rejects := path + ".rejects.ndjson"
	require.NoError(t, os.WriteFile(rejects, []byte(earlier), 0o600))

	_, _, status := run(t, "import", path, "--url", "http://"+pgtest.ClosedAddress(t), "--retry-for", "0s", "--quiet")
	assert.Equal(t, 2, status)
	assert.FileExists(t, rejects, "an import that isn't finished doesn't know")

	_, stderr, status := run(t, "import", path, "--url", s.base)
	assert.Zero(t, status, stderr)
	assert.NoFileExists(t, rejects, "there were none")

	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(os.DevNull, link))
	_, stderr, status = run(t, "import", path, "--url", s.base, "--rejects", link)
	assert.Zero(t, status, stderr)
	_, err := os.Lstat(link)
	assert.NoError(t, err, "what isn't a file is left alone")
}

func TestImportOfNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"logs.ndjson": "\n", "logs.csv": "request_id,user_id,word_count\n"} {
		stdout, stderr, status := run(t, "import", writeFile(t, name, text), "--url", "http://"+pgtest.ClosedAddress(t))

		assert.Zero(t, status, "%s: %s", name, stderr)
		assert.Equal(t, "There was no log in it.\n", stdout, name)
	}
}

// While the rate is unknown, none is shown.
func TestImportShowsNoRateWhileTheServiceIsAway(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "logs", newLog(uuid.New(), 1))

	_, stderr, _ := run(t, "import", path, "--url", "http://"+pgtest.ClosedAddress(t), "--retry-for", "5s")

	assert.Contains(t, stderr, "0 logs, trying again: ")
	assert.NotContains(t, stderr, "/s")
}

func TestImportRejectsOfStandardInput(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	for _, flags := range [][]string{{"--rejects", elsewhere}, {}} {
		i := start(t, append([]string{"import", "-", "--url", s.base, "--quiet"}, flags...)...)
		_, err := io.WriteString(i.stdin, "{}\n")
		require.NoError(t, err)
		require.NoError(t, i.stdin.Close())
		assert.Equal(t, 1, i.end())
		assert.Empty(t, i.stderr.String())
		if len(flags) > 0 {
			assert.FileExists(t, elsewhere)
		} else {
			assert.FileExists(t, filepath.Join(i.Dir, "import.rejects.ndjson"))
		}
	}
}

// Whatever happens to the service during an import, every log is recorded once in
// the end.
func TestImportOutlivesTheService(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*service){
		"it is killed":  (*service).kill,
		"it is stopped": (*service).stop,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.URL(t)
			s := serve(t, "--database-url", databaseURL)
			user := uuid.New()
			var text strings.Builder
			const logs = 15_000
			for range logs - 1 {
				text.WriteString(newLog(user, 1) + "\n")
			}
			i := start(t, "import", "-", "--url", s.base)
			written := make(chan error, 1)
			go func() {
				_, err := io.WriteString(i.stdin, text.String())
				written <- err
			}()
			require.Eventually(t, func() bool {
				words, _ := s.total(user)
				return words > 0
			}, eventually, often)

			end(s)
			require.NoError(t, <-written)
			_, err := fmt.Fprintln(i.stdin, newLog(user, 1)) // so that the import can't have ended before
			require.NoError(t, err)
			require.NoError(t, i.stdin.Close())
			again := serve(t, "--database-url", databaseURL, "--addr", strings.TrimPrefix(s.base, "http://"))

			assert.Zero(t, i.end(), i.stderr.String())
			counts := counted(t, i.stdout.String())
			assert.Equal(t, logs, counts["recorded"]+counts["already recorded"], "%v", counts)
			words, entries := again.total(user)
			assert.Equal(t, []int{logs, logs}, []int{words, entries})
		})
	}
}

func TestImportGivesUp(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "logs", newLog(uuid.New(), 1))

	stdout, stderr, status := run(t, "import", path, "--url", "http://"+pgtest.ClosedAddress(t), "--retry-for", "300ms", "--quiet")

	assert.Equal(t, 2, status)
	assert.NotContains(t, stdout, "failed", "how many were under way is of no use")
	assert.Contains(t, stdout, "The rest was not imported, or was not answered")
	assert.Contains(t, stderr, "connection refused")
	assert.Contains(t, stderr, "importing it again is safe")
}

func TestImportThatIsStopped(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	i := start(t, "import", "-", "--url", s.base, "--quiet")
	_, err := fmt.Fprintln(i.stdin, newLog(user, 1))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		words, _ := s.total(user)
		return words == 1
	}, eventually, often)

	require.NoError(t, i.Process.Signal(os.Interrupt))

	assert.Equal(t, 2, i.end())
	assert.Contains(t, i.stderr.String(), "stopped before the end")
	assert.Contains(t, i.stdout.String(), "recorded", "it says what was done so far")
}

func TestImportsThatCannotBegin(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	path := writeFile(t, "logs", newLog(uuid.New(), 1))
	for _, test := range []struct {
		arguments []string
		says      string
	}{
		{[]string{}, "learninglog import"},
		{[]string{path + "s"}, "no such file"},
		{[]string{filepath.Dir(path)}, "is a directory"},
		{[]string{path, "--url", "127.0.0.1:8080"}, "--url: must be that of the service, such as http://"},
		{[]string{path, "--url", "ftp://127.0.0.1:8080"}, "--url: must be"},
		{[]string{path, "--url", other.URL}, "404 Not Found"},
		{[]string{path, "--format", "xml"}, "--format"},
		{[]string{path, "--format", "csv"}, "header"},
		{[]string{path, "--rejects", path}, "--rejects"},
		{[]string{path, "--rejects", "/nowhere/x"}, "there is no directory /nowhere for the rejects"},
		{[]string{path, "--rejects", filepath.Dir(path)}, "is a directory"},
		{[]string{writeFile(t, "logs.csv", "words\n")}, `unknown column "words"`},
		{[]string{writeFile(t, "logs.json", "[]")}, "JSON array"},
	} {
		_, stderr, status := run(t, append([]string{"import"}, test.arguments...)...)
		assert.Equal(t, 2, status, "%v", test.arguments)
		assert.Contains(t, stderr, test.says, "%v", test.arguments)
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotEmpty(t, text, "what was to be imported is left alone")
}
