package peers_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/peers"
	"learninglog/internal/redistest"
)

const (
	eventually = 30 * time.Second
	often      = 5 * time.Millisecond
	// something is a log that is told until it is heard.
	something = 1
)

// replica is one of the peers. It is its own observer.
type replica struct {
	*peers.Peers

	mu                           sync.Mutex
	known                        map[uint64]int // how often it was heard of
	told, heard, dropped, failed int
	slowly                       int
	log                          bytes.Buffer
}

// join runs a replica until the test ends.
func join(t *testing.T, url string) *replica {
	t.Helper()
	r := &replica{known: make(map[uint64]int)}
	var err error
	r.Peers, err = peers.New(url, r, slog.New(slog.NewTextHandler(locked{r}, nil)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx, r.hear)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(eventually):
			assert.Fail(t, "it doesn't end")
		}
	})
	return r
}

// locked writes to the log of a replica.
type locked struct{ *replica }

func (l locked) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(text)
}

func (r *replica) hear(recorded []uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, log := range recorded {
		r.known[log]++
	}
}

func (r *replica) count(counter *int, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*counter += n
}

func (r *replica) Told(logs int)    { r.count(&r.told, logs) }
func (r *replica) Heard(logs int)   { r.count(&r.heard, logs) }
func (r *replica) Dropped(logs int) { r.count(&r.dropped, logs) }

func (r *replica) Failed(slow bool) {
	r.count(&r.failed, 1)
	if slow {
		r.count(&r.slowly, 1)
	}
}

func (r *replica) read(counter *int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return *counter
}

func (r *replica) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *replica) knows(logs ...uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !slices.ContainsFunc(logs, func(log uint64) bool { return r.known[log] == 0 })
}

// waitUntilHears tells something until another hears it: what is told before the other
// listens is lost.
func (r *replica) waitUntilHears(t *testing.T, other *replica) {
	t.Helper()
	other.mu.Lock()
	delete(other.known, something)
	other.mu.Unlock()
	require.Eventually(t, func() bool {
		r.Tell([]uint64{something})
		return other.knows(something)
	}, eventually, often, "it hears nothing")
}

func TestAReplicaHearsWhatTheOthersHaveRecorded(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	a, b, c := join(t, redis.URL), join(t, redis.URL), join(t, redis.URL)
	a.waitUntilHears(t, b)
	a.waitUntilHears(t, c)
	logs := []uint64{0, 1 << 63, 1<<64 - 1, 42}
	a.Tell(logs[:1])
	a.Tell(logs[1:])
	for _, other := range []*replica{b, c} {
		require.Eventually(t, func() bool { return other.knows(logs...) }, eventually, often)
	}
	assert.Zero(t, a.read(&a.heard), "it doesn't hear itself")
	assert.Zero(t, a.read(&a.dropped))
}

// Only what is told meanwhile is lost.
func TestPeersFindEachOtherAgainAfterRedisWasAway(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	a, b := join(t, redis.URL), join(t, redis.URL)
	a.waitUntilHears(t, b)
	redis.Stop()
	require.Eventually(t, func() bool { return a.read(&a.failed) > 0 && b.read(&b.failed) > 0 }, eventually, often)
	assert.Contains(t, a.logged(), "Redis is away")
	redis.Start()
	a.waitUntilHears(t, b)
	b.waitUntilHears(t, a)
	assert.NotContains(t, a.logged(), redistest.Password)
	assert.NotContains(t, a.logged(), "%2F")
}

func TestPeersBeginBeforeRedisDoes(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	redis.Stop()
	a, b := join(t, redis.URL), join(t, redis.URL)
	require.Eventually(t, func() bool { return a.read(&a.failed) > 0 }, eventually, often)
	redis.Start()
	a.waitUntilHears(t, b)
}

// What Redis doesn't take is dropped, so memory is bounded and nobody waits.
func TestNobodyWaitsForARedisThatHangs(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	a, b := join(t, redis.URL), join(t, redis.URL)
	a.waitUntilHears(t, b)
	redis.Freeze()
	const batches, batch = 1000, 1000
	var longest time.Duration
	for range batches {
		begun := time.Now()
		a.Tell(make([]uint64, batch))
		longest = max(longest, time.Since(begun))
	}
	assert.Less(t, longest, time.Second, "redis takes longer")
	assert.Greater(t, a.read(&a.dropped), batches*batch*8/10)
	require.Eventually(t, func() bool { return a.read(&a.slowly) > 0 }, eventually, often, "that it is slow is counted")
	redis.Thaw()
	a.waitUntilHears(t, b)
}

func TestARedisWithoutMemoryIsEnough(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, "--maxmemory", "1", "--maxmemory-policy", "noeviction")
	a, b := join(t, redis.URL), join(t, redis.URL)
	a.waitUntilHears(t, b)
	assert.Zero(t, a.read(&a.failed), a.logged())
}

func TestWhatIsNoMessageOfAReplicaIsIgnored(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	a, b := join(t, redis.URL), join(t, redis.URL)
	a.waitUntilHears(t, b)
	options, err := rueidis.ParseURL(redis.URL)
	require.NoError(t, err)
	options.DisableCache = true
	client, err := rueidis.NewClient(options)
	require.NoError(t, err)
	defer client.Close()
	for _, message := range []string{"", "short", "eight..8", "not a multiple of 8"} {
		command := client.B().Publish().Channel("learninglog:recorded:1").Message(message).Build()
		require.NoError(t, client.Do(t.Context(), command).Error())
	}
	const last = "sender..12345678" // a message of a replica, after the others
	require.NoError(t, client.Do(t.Context(), client.B().Publish().Channel("learninglog:recorded:1").Message(last).Build()).Error())
	told := binary.BigEndian.Uint64([]byte("12345678"))
	require.Eventually(t, func() bool { return b.knows(told) }, eventually, often)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, something) // of which more may have been on its way
	assert.Equal(t, map[uint64]int{told: 1}, b.known)
}

func TestAWrongPasswordIsSaidAndNotShown(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	options, err := rueidis.ParseURL(redis.URL)
	require.NoError(t, err)
	a := join(t, "redis://:secret-of-somebody@"+options.InitAddress[0])
	require.Eventually(t, func() bool { return a.read(&a.failed) > 0 }, eventually, often)
	assert.Contains(t, a.logged(), "WRONGPASS")
	assert.NotContains(t, a.logged(), "secret-of-somebody")
}

func TestAWrongURLIsRefusedWithoutBeingShown(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://:secret@host", "redis://:secret@host:x", "redis://:sec/ret@host", "secret", "redis://:secret@host/x"} {
		err := peers.CheckURL(url)
		require.ErrorContains(t, err, "the Redis URL must be like", url)
		assert.NotContains(t, err.Error(), "sec")
	}
	for _, url := range []string{"redis://localhost", "rediss://user:p%2F@host:6380/2", "unix:///run/redis.sock"} {
		require.NoError(t, peers.CheckURL(url), url)
	}
}
