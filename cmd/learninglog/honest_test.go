package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// honestCallers call a service as often as ordinary callers would, from 127.0.0.1, with a
// key if it asks for one. They leave it most of its time, so whatever they have to wait for is others'.
type honestCallers struct {
	service *service
	load    *load
	// opening opens a connection for every call.
	opening *http.Client
}

// honestCall is a kind of call.
type honestCall struct {
	name        string
	connections int
	every       time.Duration // on each connection
	// call reports whether the call was served.
	call func(*honestCallers) bool
}

// probe is the call whose answer decides whether a service is restarted.
const probe = "/readyz"

func honestCalls() []honestCall {
	return []honestCall{
		{"posts", 16, 40 * time.Millisecond, (*honestCallers).postOne},
		{"arrays of ten", 1, 50 * time.Millisecond, (*honestCallers).postTen},
		{"NDJSON of ten", 1, 50 * time.Millisecond, (*honestCallers).streamTen},
		{"reads", 2, 20 * time.Millisecond, (*honestCallers).read},
		{probe, 1, 200 * time.Millisecond, (*honestCallers).probe},
	}
}

func newHonestCallers(t testing.TB, s *service, key string) *honestCallers {
	t.Helper()
	const patience = 20 * time.Second // longer than the service lets anyone wait
	h := &honestCallers{
		service: s,
		load:    newLoad(t, func() string { return s.base }),
		opening: &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	h.load.http.Timeout = patience
	if key != "" {
		h.load.http.Transport = withKey{key, h.load.http.Transport}
	}
	return h
}

// withKey sends a key with each request.
type withKey struct {
	key string
	by  http.RoundTripper
}

func (w withKey) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+w.key)
	return w.by.RoundTrip(request)
}

// callFor calls for a while, and returns how each kind of call was served.
func (h *honestCallers) callFor(duration time.Duration) map[string]quality {
	var callers sync.WaitGroup
	end := time.Now().Add(duration)
	tallies := make(map[string]*tally)
	for _, kind := range honestCalls() {
		t := new(tally)
		tallies[kind.name] = t
		for range kind.connections {
			callers.Go(func() {
				callEvery(kind.every, end, func() bool { return kind.call(h) }, t)
			})
		}
	}
	callers.Wait()
	all := make(map[string]quality)
	for name, t := range tallies {
		all[name] = t.quality(duration)
	}
	return all
}

// callEvery calls at an even pace until the end. A call that is late because the one
// before took too long has waited since it was due, even if its turn never came: that a
// service which hangs is asked less often doesn't hide that it hangs.
func callEvery(every time.Duration, end time.Time, call func() bool, into *tally) {
	for due := time.Now(); due.Before(end); due = due.Add(every) {
		begun := due
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			begun = time.Now()
		}
		if time.Now().After(end) {
			into.waited(time.Since(due))
			continue
		}
		isServed := call()
		into.answered(isServed, time.Since(begun))
	}
}

func (h *honestCallers) postOne() bool {
	return len(h.load.postOnce(0, h.load.register(h.load.newLog()))) == 0
}

// tenLogs returns what a caller posts at once.
func (h *honestCallers) tenLogs() []*postedLog {
	logs := make([]*postedLog, 10)
	for n := range logs {
		logs[n] = h.load.newLog()
	}
	return h.load.register(logs...)
}

func (h *honestCallers) postTen() bool { return len(h.load.postOnce(0, h.tenLogs())) == 0 }

func (h *honestCallers) streamTen() bool {
	logs := h.tenLogs()
	response, err := h.load.http.Post(h.service.base+batchPath, ndjson, strings.NewReader(strings.Join(h.load.bodiesOf(logs), "\n")))
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return false
	}
	outcomes := json.NewDecoder(response.Body)
	for _, log := range logs {
		var outcome streamOutcome
		if err := outcomes.Decode(&outcome); err != nil || !h.load.learn(log, outcome.Outcome) {
			return false
		}
	}
	return true
}

func (h *honestCallers) read() bool {
	return succeeds(h.load.http, h.service.base+"/v1/users/"+h.load.users[0].String()+"/summary")
}

func (h *honestCallers) probe() bool { return succeeds(h.opening, h.service.base+probe) }

func succeeds(client *http.Client, url string) bool {
	response, err := client.Get(url)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == http.StatusOK
}

// tally collects how calls are served.
type tally struct {
	mu              sync.Mutex
	served, refused int
	latencies       []time.Duration
}

func (t *tally) answered(isServed bool, latency time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latencies = append(t.latencies, latency)
	if isServed {
		t.served++
	} else {
		t.refused++
	}
}

// waited notes a call that nobody made, as those before it took too long.
func (t *tally) waited(latency time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latencies = append(t.latencies, latency)
}

// quality is how calls were served within a time.
type quality struct {
	calls     int
	perSecond float64
	// refused is the share of calls that were answered 503, or not at all.
	refused float64
	// The latencies are those of all calls: a refusal that takes long is also felt.
	median, p99, worst time.Duration
}

func (t *tally) quality(within time.Duration) quality {
	slices.Sort(t.latencies)
	calls := len(t.latencies)
	if calls == 0 {
		return quality{}
	}
	return quality{
		calls:     calls,
		perSecond: float64(t.served) / within.Seconds(),
		refused:   float64(t.refused) / float64(max(1, t.served+t.refused)),
		median:    t.latencies[calls/2],
		p99:       t.latencies[calls*99/100],
		worst:     t.latencies[calls-1],
	}
}

func (q quality) String() string {
	return fmt.Sprintf("%.0f/s\t%s\t%s\t%s\t%.1f %%", q.perSecond,
		inMilliseconds(q.median), inMilliseconds(q.p99), inMilliseconds(q.worst), 100*q.refused)
}

func inMilliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }
