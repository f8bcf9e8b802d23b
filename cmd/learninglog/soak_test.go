package main_test

import (
	"fmt"
	"maps"
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
// posted, no log is counted twice, and the services recover by themselves. Every
// fault happens once. Then, if SOAK is set to a duration such as 5m, faults happen
// at random.
func TestFaultsUnderLoad(t *testing.T) {
	t.Parallel()
	const between = 5
	i := install(t, 2)
	for _, f := range faults() {
		i.load.start()
		i.suffer(f, between)
		i.load.stop()
		i.load.check(i.server.URL()).assertNothingWrong(t)
		i.load.assertSummaries(i.services[0].Load(), i.server.URL())
		require.False(t, t.Failed(), "after: %s", f.name)
	}
	i.assertVerified()
	if text := os.Getenv("SOAK"); text != "" {
		duration, err := time.ParseDuration(text)
		require.NoError(t, err, "SOAK is for how long: 5m, say")
		i.soak(duration)
	}
}

// soak lets faults happen at random, while a hostile client attacks, reports the outcomes
// of the logs every minute, and checks at the end that nothing is wrong.
func (i *installation) soak(duration time.Duration) {
	const between, reportEvery = 100, time.Minute
	kinds := faults()
	if err := i.mountLogs(); err != nil {
		i.t.Logf("the disk will never be full, as none could be mounted: %v", err)
	} else {
		kinds = append(kinds, fault{"the disk is full", (*installation).fillDisk})
	}
	suffered := make(map[string]int)
	hostile := i.attackAtRandom()
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
			i.report(time.Since(begun), suffered, hostile).assertNothingWrong(i.t)
		}
	}
	hostile.end()
	i.load.stop()
	i.report(time.Since(begun), suffered, hostile).assertNothingWrong(i.t)
	i.load.assertSummaries(i.services[0].Load(), i.server.URL())
	assertHostileLogsAreRecorded(i.t, i.server.URL(), hostile.acknowledged)
	out, problems, status := run(i.t, "verify", "--max-logs-per-second=0", "--database-url", i.server.URL())
	assert.Zero(i.t, status, "%s%s", out, problems)
}

// report prints the state of the soak, and returns what became of the logs.
func (i *installation) report(after time.Duration, suffered map[string]int, hostile *attacksAtRandom) findings {
	found := i.load.check(i.server.URL())
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
