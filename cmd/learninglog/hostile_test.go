package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// What a hostile client may cost the others.
const (
	// mostTimesSlower is how many times slower the slowest hundredth of the others'
	// calls may become. What takes less than unnoticed isn't noticed, whatever it took
	// before: the client, the service and its database share the processors.
	mostTimesSlower = 3
	unnoticed       = 30 * time.Millisecond
	// whenSaturated is how long the slowest hundredth may take when an attack takes all
	// processor time.
	whenSaturated = 250 * time.Millisecond
	// mostRefused is the share of the others' calls that may be refused.
	mostRefused = 0.01
	// readyWithin is how soon a probe must be answered.
	readyWithin = time.Second
	// mostMemory is how much memory a service may have at any time.
	mostMemory = 300 << 20
)

const canAttack = runtime.GOOS == "linux"

// How long the others call without and with an attack: where it is measured how they are
// served, and elsewhere.
const (
	quietly, attacked           = 4 * time.Second, 12 * time.Second
	brieflyQuietly, brieflySeen = 200 * time.Millisecond, 800 * time.Millisecond
)

// Whatever a hostile client does, the others are served as without it, within bounds; the
// service's memory is bounded; and everything acknowledged is recorded once.
//
// If SOAK is set, it is measured how the others are served. Otherwise other tests run at
// the same time, so latencies mean little, and it is only tested that nobody is refused,
// with some of the attacks. With the race detector, memory means little too.
//
//nolint:paralleltest // the attacks would disturb each other, and so would other tests
func TestNobodysRequestHurtsTheOthers(t *testing.T) {
	measured := os.Getenv("SOAK") != ""
	if !measured {
		t.Parallel()
	}
	if !canAttack {
		t.Skip("only Linux lets a client connect from any address of 127.0.0.0/8")
	}
	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(rows, "attack\tcalls\tserved\tmedian\tp99\tworst\trefused\t→\tserved\tmedian\tp99\tworst\trefused")
	for _, a := range attacks() {
		if !measured && !a.always {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			without, with := suffer(t, a, measured)
			for _, line := range compare(without, with) {
				_, _ = fmt.Fprintf(rows, "%s\t%s\n", a.name, line)
			}
		})
	}
	require.NoError(t, rows.Flush())
	t.Log("\n" + table.String())
}

// suffer attacks a service of its own, and asserts that it doesn't matter.
func suffer(t *testing.T, a attack, measured bool) (without, with map[string]quality) {
	t.Helper()
	databaseURL := pgtest.URL(t)
	arguments := []string{"--database-url", databaseURL, "--log-level=error"}
	var key, hostileKey string
	if a.keys {
		arguments = append(arguments, "--auth=keys")
		key = newKey(t, databaseURL, "--scopes=logs:write,logs:read")
		hostileKey = newKey(t, databaseURL, "--scopes=logs:write")
	}
	s := serveWithFiles(t, a.files, arguments...)
	memory := watchMemory(t, func() *service { return s })
	callers := newHonestCallers(t, s, key)
	hostile := prepareAttack(t, a, s.base, hostileKey)
	before, during := brieflyQuietly, brieflySeen
	if measured {
		before, during = quietly, attacked
	}

	callers.callFor(before / 4) // the first calls wait for connections
	without = callers.callFor(before)
	hostile.begin()
	with = callers.callFor(during)
	achieved := hostile.stop()

	memory.see(s.residentMemory("VmHWM"))
	most := memory.take()
	t.Logf("at most %s of memory; the hostile client had %s", megabytes(most), achieved.String())
	assert.Positive(t, achieved.Connections, "there was no attack")
	assertServed(t, a, without, with, measured)
	assertMemoryIsBounded(t, most, a.name)
	assertAcknowledgedIsRecorded(t, databaseURL, callers, achieved)
	return without, with
}

func assertServed(t *testing.T, a attack, without, with map[string]quality, measured bool) {
	t.Helper()
	for _, kind := range honestCalls() {
		name, before, during := kind.name, without[kind.name], with[kind.name]
		require.Positive(t, before.calls, "%s without an attack", name)
		assert.Zero(t, before.refused, "%s are refused without an attack", name)
		assert.LessOrEqual(t, during.refused, mostRefused, "the share of %s that are refused", name)
		if !measured || name == probe { // it is asked too seldom to have a slowest hundredth
			continue
		}
		most := max(unnoticed, mostTimesSlower*before.p99)
		if a.saturates {
			most = whenSaturated
		}
		assert.LessOrEqual(t, during.p99, most,
			"the slowest hundredth of %s takes %s, and %s without an attack", name, during.p99, before.p99)
	}
	if measured {
		assert.Less(t, with[probe].worst, readyWithin, "how long a probe takes")
	}
}

// assertMemoryIsBounded asserts nothing with the race detector, which takes memory itself.
func assertMemoryIsBounded(t testing.TB, most int64, attack string) {
	t.Helper()
	if !raceDetector {
		assert.Less(t, most, int64(mostMemory), "a service has %s of memory: %s", megabytes(most), attack)
	}
}

// assertAcknowledgedIsRecorded asserts that all logs are recorded that were acknowledged,
// those of the hostile client among them, and that all sums are right.
func assertAcknowledgedIsRecorded(t *testing.T, databaseURL string, callers *honestCallers, achieved hostileReport) {
	t.Helper()
	callers.load.check(databaseURL).assertNothingWrong(t)
	assertHostileLogsAreRecorded(t, databaseURL, achieved.Acknowledged)
}

func assertHostileLogsAreRecorded(t testing.TB, databaseURL string, acknowledged int) {
	t.Helper()
	pool := openPool(t, databaseURL)
	defer pool.Close()
	var recorded int
	require.NoError(t, pool.QueryRow(context.Background(),
		`SELECT count(*) FROM learning_log WHERE user_id::text LIKE $1`, hostileUsers).Scan(&recorded))
	assert.GreaterOrEqual(t, recorded, acknowledged, "the hostile client's logs: recorded, and acknowledged")
}

// serveWithFiles is like serve, but limits how many file descriptors the service may have
// open, unless that is 0.
func serveWithFiles(t testing.TB, files int, arguments ...string) *service {
	t.Helper()
	if files == 0 {
		return serve(t, arguments...)
	}
	command := exec.Command("sh", append([]string{
		"-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(files), program,
	}, serveArguments(arguments)...)...)
	command.Env = environment()
	s, err := startService(t, command)
	require.NoError(t, err)
	return s
}

// compare says how calls are served without and with an attack, a line for each kind of
// call.
func compare(without, with map[string]quality) (lines []string) {
	for _, kind := range honestCalls() {
		lines = append(lines, fmt.Sprintf("%s\t%s\t→\t%s", kind.name, without[kind.name], with[kind.name]))
	}
	return lines
}
