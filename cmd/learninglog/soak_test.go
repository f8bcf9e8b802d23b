package main_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever goes wrong while clients post, every acknowledged log is stored as it was
// posted until it is purged, no log is counted twice, erased learners don't come back, and
// the services recover by themselves. Every fault happens once. Then, if SOAK is set to a
// duration such as 5m, faults happen at random.
func TestFaultsUnderLoad(t *testing.T) {
	t.Parallel()
	const between = 5
	i := install(t, 2)
	soakFor, length := soakDuration(t), 0
	if soakFor > 0 {
		length = longDiary
	}
	less := i.keepLess(length)
	for _, f := range faults() {
		i.load.start()
		i.suffer(f, between)
		i.load.stop()
		less.check().assertNothingWrong(t)
		i.load.assertSummaries(i.services[0].Load(), i.server.URL())
		require.False(t, t.Failed(), "after: %s", f.name)
	}
	i.load.start()
	less.awaitSomething()
	i.load.stop()
	less.stop()
	less.check().assertNothingWrong(t)
	i.load.assertSummaries(i.services[0].Load(), i.server.URL())
	less.assertErased()
	i.assertVerified()
	if soakFor > 0 {
		i.soak(soakFor, less)
	}
}

// soakDuration returns for how long to soak: 0 if SOAK isn't set.
func soakDuration(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv("SOAK")
	if text == "" {
		return 0
	}
	duration, err := time.ParseDuration(text)
	require.NoError(t, err, "SOAK is for how long: 5m, say")
	return duration
}

// soak lets faults happen at random, while a hostile client attacks, reports the outcomes
// of the logs every minute, and checks at the end that nothing is wrong.
func (i *installation) soak(duration time.Duration, less *keepingLess) {
	const between, reportEvery = 100, time.Minute
	kinds := faults()
	if err := i.mountLogs(); err != nil {
		i.t.Logf("the disk will never be full, as none could be mounted: %v", err)
	} else {
		kinds = append(kinds, fault{"the disk is full", (*installation).fillDisk})
	}
	suffered := make(map[string]int)
	hostile := i.attackAtRandom()
	less.mayErase.Store(math.MaxInt64)
	less.start()
	begun := time.Now()
	reported := begun
	i.load.start()
	for time.Since(begun) < duration {
		f := kinds[rand.IntN(len(kinds))]
		i.suffer(f, between)
		suffered[f.name]++
		require.False(i.t, i.t.Failed(), "after: %s", f.name)
		if time.Since(reported) >= reportEvery {
			reported = time.Now()
			i.report(time.Since(begun), suffered, hostile, less).assertNothingWrong(i.t)
		}
	}
	hostile.end()
	i.load.stop()
	less.stop()
	i.report(time.Since(begun), suffered, hostile, less).assertNothingWrong(i.t)
	i.load.assertSummaries(i.services[0].Load(), i.server.URL())
	less.assertErased()
	assertHostileLogsAreRecorded(i.t, i.server.URL(), hostile.acknowledged)
	out, problems, status := run(i.t, "verify", "--max-logs-per-second=0", "--database-url", i.server.URL())
	assert.Zero(i.t, status, "%s%s", out, problems)
}

// report prints the state of the soak, and returns what became of the logs.
func (i *installation) report(after time.Duration, suffered map[string]int, hostile *attacksAtRandom, less *keepingLess) findings {
	found := less.check()
	var text strings.Builder
	fmt.Fprintf(&text, "after %s: %s\n", after.Round(time.Second), found)
	for _, name := range slices.Sorted(maps.Keys(suffered)) {
		fmt.Fprintf(&text, "%6d times: %s\n", suffered[name], name)
	}
	for n := range i.services {
		s := i.services[n].Load()
		fmt.Fprintf(&text, "  service %d: %s of memory, running for %s\n",
			n, s.memory(), time.Since(s.started).Round(time.Second))
	}
	less.report(&text)
	hostile.report(&text)
	i.t.Log(text.String())
	return found
}

// memory returns the resident memory of a service, for the report.
func (s *service) memory() string {
	output, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(s.command.Process.Pid)).Output()
	kilobytes, parseErr := strconv.Atoi(strings.TrimSpace(string(output)))
	if err != nil || parseErr != nil {
		return "an unknown amount"
	}
	return fmt.Sprintf("%d MB", kilobytes>>10)
}
