package main_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// recordFor records a log of a number of words for each user, and returns the request ids.
func (s *service) recordFor(words int, users ...uuid.UUID) (ids []uuid.UUID) {
	s.t.Helper()
	for _, user := range users {
		ids = append(ids, uuid.New())
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", logWithID(ids[len(ids)-1], user, words))
	}
	return ids
}

func voidReport(voided, alreadyVoided, unknown, invalid int) map[string]int {
	return map[string]int{"voided": voided, "already voided": alreadyVoided, "unknown": unknown, "invalid": invalid}
}

func TestVoidTakesLogsBack(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	user := uuid.New()
	ids := s.recordFor(5, user, user, user)

	for _, want := range []map[string]int{voidReport(2, 0, 0, 0), voidReport(0, 2, 0, 0)} {
		stdout, stderr, status := run(t, "void", "--user", user.String(), ids[0].String(), ids[1].String(), "--url", s.base)

		assert.Zero(t, status, stderr)
		assert.Equal(t, want, counted(t, stdout))
		words, entries := s.total(user)
		assert.Equal(t, []int{5, 1}, []int{words, entries}, "voiding again is safe")
	}
	assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, databaseURL)))
}

func TestVoidOfAnotherUsersLog(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user, other := uuid.New(), uuid.New()
	ids := s.recordFor(5, user, other)
	command := start(t, "void", "--url", s.base, "--user", user.String(), ids[0].String(), ids[1].String())

	assert.Equal(t, 1, command.end(), "it is unknown")

	assert.Empty(t, command.stderr.String())
	report, reason, _ := strings.Cut(command.stdout.String(), ids[1].String())
	assert.Equal(t, voidReport(1, 0, 1, 0), counted(t, report))
	assert.Equal(t, ": unknown: belongs to no log of this user\n", reason)
	assert.NotContains(t, report, ids[0].String())
	words, _ := s.total(other)
	assert.Equal(t, 5, words, "it stays")
	left, err := os.ReadDir(command.Dir)
	require.NoError(t, err)
	assert.Empty(t, left, "which one is said, not written to a file")
}

func TestVoidOfAFile(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	for name, test := range map[string]struct {
		header string
		line   func(id, user uuid.UUID) string
		listed bool // request ids alone
	}{
		"logs.ndjson":     {line: func(id, user uuid.UUID) string { return fmt.Sprintf(`{"user_id":"%s","request_id":"%s"}`, user, id) }},
		"logs.csv":        {header: "user_id,request_id\r\n", line: func(id, user uuid.UUID) string { return fmt.Sprintf("%s,%s\r", user, id) }},
		"ids.txt":         {header: "# all that was wrong\n\n", line: func(id, _ uuid.UUID) string { return id.String() + " # so is this" }, listed: true},
		"imported.csv":    {header: "word_count,user_id,request_id\n", line: func(id, user uuid.UUID) string { return fmt.Sprintf("2,%s,%s", user, id) }},
		"imported.ndjson": {line: func(id, user uuid.UUID) string { return logWithID(id, user, 2) }},
	} {
		user, kept := uuid.New(), uuid.New()
		ids := s.recordFor(2, user, user, user, user, kept)
		text := test.header
		for _, id := range ids[:3] {
			text += test.line(id, user) + "\n"
		}
		flags := []string{"--url", s.base, "--file", writeFile(t, name, compressed(t, text))}
		if test.listed {
			flags = append(flags, "--user", user.String())
		}
		for _, want := range []map[string]int{voidReport(3, 0, 0, 0), voidReport(0, 3, 0, 0)} {
			stdout, stderr, status := run(t, append([]string{"void"}, flags...)...)

			assert.Zero(t, status, "%s: %s", name, stderr)
			assert.Equal(t, want, counted(t, stdout), name)
			words, entries := s.total(user)
			assert.Equal(t, []int{2, 1}, []int{words, entries}, name)
		}
		words, _ := s.total(kept)
		assert.Equal(t, 2, words, name)
	}
	assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, databaseURL)))
}

func compressed(t testing.TB, text string) string {
	t.Helper()
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	_, err := io.WriteString(writer, text)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return buffer.String()
}

func TestVoidWritesRejects(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user, unknown := uuid.New(), uuid.New()
	ids := s.recordFor(5, user)
	text := strings.Join([]string{unknown.String(), "", ids[0].String() + " # twice", ids[0].String(), "nonsense"}, "\n")
	path := writeFile(t, "ids.txt", text)
	ofImport := path + ".rejects.ndjson"
	require.NoError(t, os.WriteFile(ofImport, []byte("{}\n"), 0o600))

	stdout, stderr, status := run(t, "void", "--user", user.String(), "--file", path, "--url", s.base)

	assert.Equal(t, 1, status, stderr)
	assert.Equal(t, voidReport(1, 1, 1, 1), counted(t, stdout))
	assert.Contains(t, stdout, path+".void.rejects.ndjson")
	rejects := readRejects(t, path+".void.rejects.ndjson")
	require.Len(t, rejects, 2)
	assert.Equal(t, reject{
		Line: 1, Outcome: "unknown", Entry: unknown.String(), Errors: rejects[0].Errors,
	}, rejects[0])
	assert.Equal(t, "belongs to no log of this user", rejects[0].Errors[0].Message)
	assert.Equal(t, 5, rejects[1].Line)
	assert.Equal(t, "invalid", rejects[1].Outcome)
	assert.Equal(t, "request_id", rejects[1].Errors[0].Location)
	assert.Equal(t, "nonsense", rejects[1].Entry)
	assert.FileExists(t, ofImport, "those of an import are still there")

	command := start(t, "void", "--user", user.String(), "--file", "-", "--url", s.base, "--quiet")
	_, err := io.WriteString(command.stdin, text)
	require.NoError(t, err)
	require.NoError(t, command.stdin.Close())
	assert.Equal(t, 1, command.end())
	assert.Len(t, readRejects(t, filepath.Join(command.Dir, "void.rejects.ndjson")), 2)
}

// Whatever happens to the service meanwhile, every log is voided in the end.
func TestVoidOutlivesTheService(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*service){
		"it is killed":  (*service).kill,
		"it is stopped": (*service).stop,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.URL(t)
			s := serve(t, "--database-url", databaseURL)
			user, other := uuid.New(), uuid.New()
			const logs, unknown = 15_000, 100
			var posted, list strings.Builder
			for log := range logs {
				id := uuid.New()
				_, _ = fmt.Fprintln(&posted, logWithID(id, user, 1))
				_, _ = fmt.Fprintln(&list, id)
				if log%(logs/unknown) == 0 {
					_, _ = fmt.Fprintln(&list, uuid.New())
				}
			}
			_, stderr, status := run(t, "import", writeFile(t, "logs", posted.String()), "--url", s.base)
			require.Zero(t, status, stderr)
			last := s.recordFor(1, user, other)
			command := start(t, "void", "--user", user.String(), "--file", "-", "--url", s.base)
			written := make(chan error, 1)
			go func() {
				_, err := io.WriteString(command.stdin, list.String())
				written <- err
			}()
			require.Eventually(t, func() bool {
				words, _ := s.total(user)
				return words <= logs
			}, eventually, often)

			end(s)
			require.NoError(t, <-written)
			_, err := fmt.Fprintln(command.stdin, last[0]) // so that the command can't have ended before
			require.NoError(t, err)
			require.NoError(t, command.stdin.Close())
			again := serve(t, "--database-url", databaseURL, "--addr", strings.TrimPrefix(s.base, "http://"))

			assert.Equal(t, 1, command.end(), command.stderr.String())
			counts := counted(t, command.stdout.String())
			assert.Equal(t, logs+1, counts["voided"]+counts["already voided"], "%v", counts)
			assert.Equal(t, unknown, counts["unknown"])
			assert.Len(t, readRejects(t, filepath.Join(command.Dir, "void.rejects.ndjson")), unknown)
			words, entries := again.total(user)
			assert.Zero(t, words)
			assert.Zero(t, entries)
			words, _ = again.total(other)
			assert.Equal(t, 1, words, "a log of another user stays")
			assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, databaseURL)))
		})
	}
}

func TestVoidGivesUp(t *testing.T) {
	t.Parallel()
	for _, which := range [][]string{
		{"--user", uuid.NewString(), uuid.NewString()},
		{"--user", uuid.NewString(), "--file", writeFile(t, "ids", uuid.NewString())},
	} {
		stdout, stderr, status := run(t, append([]string{"void", "--url", "http://" + pgtest.ClosedAddress(t), "--retry-for", "300ms", "--quiet"}, which...)...)

		assert.Equal(t, 2, status)
		assert.Contains(t, stdout, "The rest was not voided, or was not answered")
		assert.Contains(t, stderr, "connection refused")
		assert.Contains(t, stderr, "voiding it again is safe")
	}
}

func TestVoidOfNothing(t *testing.T) {
	t.Parallel()
	stdout, stderr, status := run(t, "void", "--url", "http://"+pgtest.ClosedAddress(t),
		"--user", uuid.NewString(), "--file", writeFile(t, "ids", "# none\n\n"))

	assert.Zero(t, status, stderr)
	assert.Equal(t, "There was no log in it.\n", stdout)
}

func TestVoidsThatCannotBegin(t *testing.T) {
	t.Parallel()
	id, file := uuid.NewString(), writeFile(t, "ids", uuid.NewString())
	for _, test := range []struct {
		arguments []string
		says      string
	}{
		{[]string{}, "name the logs: by --user and their request ids, or by --file"},
		{[]string{id}, "--user must say whose logs these are"},
		{[]string{"--user", id}, "name the request ids of the logs, or a --file that lists them"},
		{[]string{"--user", id, "me"}, "must be a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22, not \"me\""},
		{[]string{"--user", "me", id}, "--user: must be a UUID such as "},
		{[]string{"--user", id, id, "--file", file}, "not both"},
		{[]string{id, "--file", file}, "not both"},
		{[]string{"--user", id, id, "--rejects", file + ".rejects"}, "--rejects is for --file"},
		{[]string{"--user", id, id, "--retry-for=-1s"}, "--retry-for must not be negative"},
		{[]string{"--user", id, id, "--url", "127.0.0.1:8080"}, "--url: must be that of the service"},
		{[]string{"--file", file}, "say with --user whose logs they are"},
		{[]string{"--file", file + "s"}, "no such file"},
		{[]string{"--file", file, "--user", id, "--rejects", file}, "--rejects"},
	} {
		_, stderr, status := run(t, append([]string{"void"}, test.arguments...)...)
		assert.Equal(t, 2, status, "%v", test.arguments)
		assert.Contains(t, stderr, test.says, "%v", test.arguments)
	}
}
