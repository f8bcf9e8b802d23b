package command_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

// heldStore is a store whose writes wait for permits.
type heldStore struct {
	command.Store

	// permits has a value for each permitted write. When it is closed, all are
	// permitted.
	permits chan struct{}

	mu           sync.Mutex
	sizes        []int // the number of logs in each write
	broken, lost bool  // breaks the connection before or after the next write
}

func holdAt(t testing.TB, pool *pgxpool.Pool) *heldStore {
	t.Helper()
	return &heldStore{Store: command.NewStore(pool, pgtest.Nodes(t, pool)), permits: make(chan struct{}, 100)}
}

// let permits that many writes.
func (s *heldStore) let(n int) {
	for range n {
		s.permits <- struct{}{}
	}
}

// release permits all writes from now on.
func (s *heldStore) release() { close(s.permits) }

// breakBefore breaks the connection of one write before it begins.
func (s *heldStore) breakBefore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
}

// breakAfter breaks the connection of one write after its commit, before its result
// arrives.
func (s *heldStore) breakAfter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = true
}

// executions returns the number of logs in each write, in time order.
func (s *heldStore) executions() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sizes)
}

func (s *heldStore) waitForExecutions(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.executions()) >= n }, eventually, often, "the recorder doesn't write")
}

// Write implements the store.
func (s *heldStore) Write(ctx context.Context, changes []command.Change, patience time.Duration) (command.RecordedLogs, error) {
	s.mu.Lock()
	s.sizes = append(s.sizes, len(changes))
	s.mu.Unlock()
	select {
	case <-s.permits:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	broken, lost := s.broken, s.lost
	s.broken, s.lost = false, false
	s.mu.Unlock()
	if broken {
		return nil, io.ErrUnexpectedEOF
	}
	recorded, err := s.Store.Write(ctx, changes, patience)
	if lost {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return recorded, err
}

var errBroken = errors.New("this store is broken")

type brokenStore struct{ command.Store }

func (brokenStore) Write(context.Context, []command.Change, time.Duration) (command.RecordedLogs, error) {
	return nil, errBroken
}

// slowStore takes some time before it fails.
type slowStore struct {
	brokenStore

	takes time.Duration
}

func (s *slowStore) Write(ctx context.Context, changes []command.Change, patience time.Duration) (command.RecordedLogs, error) {
	time.Sleep(s.takes)
	return s.brokenStore.Write(ctx, changes, patience)
}

// stuck is a store that doesn't answer until it is released, and then fails.
type stuck struct {
	command.Store

	asked, letGo chan struct{}
}

func newStuck() stuck { return stuck{asked: make(chan struct{}, 1), letGo: make(chan struct{})} }

func (s stuck) Write(context.Context, []command.Change, time.Duration) (command.RecordedLogs, error) {
	s.asked <- struct{}{}
	<-s.letGo
	return nil, errors.New("it is away")
}

// explodingStore panics in the next write.
type explodingStore struct {
	command.Store

	armed atomic.Bool
}

func (s *explodingStore) Write(ctx context.Context, changes []command.Change, patience time.Duration) (command.RecordedLogs, error) {
	if s.armed.CompareAndSwap(true, false) {
		panic("bang")
	}
	return s.Store.Write(ctx, changes, patience)
}
