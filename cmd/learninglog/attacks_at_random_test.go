package main_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

// attacksAtRandom are those of a hostile client that attacks one of the services of an
// installation now and then, and leaves them alone in between.
type attacksAtRandom struct {
	*installation

	memory *memoryWatch
	end    func() // ends the attacks, and returns when they have ended

	mu      sync.Mutex
	current string // the name of the attack that is under way
	results map[string]*attackResults
	// acknowledged is the number of the hostile client's logs that were acknowledged.
	acknowledged int
}

// attackResults are those of all attacks of a kind.
type attackResults struct {
	times      int
	mostMemory int64
	achieved   hostileReport
}

// noAttack is the name of the time without an attack.
const noAttack = "none"

// attackAtRandom begins with a pause.
func (i *installation) attackAtRandom() *attacksAtRandom {
	i.t.Helper()
	services := make([]func() *service, len(i.services))
	for n := range i.services {
		services[n] = i.services[n].Load
	}
	a := &attacksAtRandom{
		installation: i, memory: watchMemory(i.t, services...), current: noAttack, results: make(map[string]*attackResults),
	}
	if !canAttack {
		i.t.Log("there is no hostile client, as only Linux lets a client connect from any address of 127.0.0.0/8")
		a.end = func() {}
		return a
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { a.run(ctx) })
	a.end = func() { cancel(); running.Wait() }
	i.t.Cleanup(a.end)
	return a
}

// run attacks until ctx ends.
func (a *attacksAtRandom) run(ctx context.Context) {
	kinds := slices.DeleteFunc(attacks(), func(kind attack) bool { return kind.files > 0 }) // no service here lacks files
	for pause(ctx, forSomeSeconds()) {
		a.attack(ctx, kinds[rand.IntN(len(kinds))])
	}
}

func forSomeSeconds() time.Duration {
	const shortest, variation = 2 * time.Second, 6 * time.Second
	return shortest + rand.N(variation)
}

func (a *attacksAtRandom) attack(ctx context.Context, kind attack) {
	target := a.services[rand.IntN(len(a.services))].Load()
	hostile := prepareAttack(a.t, kind, target.base, "")
	a.enter(kind.name)
	hostile.begin()
	pause(ctx, forSomeSeconds())
	achieved := hostile.stop()
	a.note(kind.name, achieved)
	a.enter(noAttack)
	a.cancel(achieved.Rebuilds)
}

// enter notes what the memory belongs to that the services take from now on.
func (a *attacksAtRandom) enter(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.noteMemory()
	a.current = name
}

func (a *attacksAtRandom) noteMemory() {
	results := a.resultsOf(a.current)
	results.mostMemory = max(results.mostMemory, a.memory.take())
}

func (a *attacksAtRandom) note(name string, achieved hostileReport) {
	a.mu.Lock()
	defer a.mu.Unlock()
	results := a.resultsOf(name)
	results.times++
	results.achieved.add(achieved)
	a.acknowledged += achieved.Acknowledged
}

func (a *attacksAtRandom) resultsOf(name string) *attackResults {
	if a.results[name] == nil {
		a.results[name] = new(attackResults)
	}
	return a.results[name]
}

// cancel does what operators would do with rebuilds that nobody needs. Otherwise others
// would wait for them.
func (a *attacksAtRandom) cancel(rebuilds []int64) {
	for _, id := range rebuilds {
		require.Eventually(a.t, func() bool {
			got, err := a.services[0].Load().call(http.MethodDelete, fmt.Sprintf("/v1/rebuilds/%d", id), "")
			return err == nil && got.status != http.StatusServiceUnavailable
		}, eventually, often, "rebuild %d isn't cancelled", id)
	}
}

// report prints what the attacks have achieved, and asserts that the services' memory is
// bounded.
func (a *attacksAtRandom) report(to io.Writer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.noteMemory()
	for _, name := range slices.Sorted(maps.Keys(a.results)) {
		results := a.results[name]
		_, _ = fmt.Fprintf(to, "  attack: %s, %d times: at most %s of memory; %s\n",
			name, results.times, megabytes(results.mostMemory), results.achieved.String())
		assertMemoryIsBounded(a.t, results.mostMemory, name)
	}
}
