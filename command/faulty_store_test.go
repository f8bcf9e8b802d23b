package command_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"learninglog/command"
)

// heldStore is a store whose inserts wait until they are let through.
type heldStore struct {
	command.Store

	// permits has a value for each insert that is let through; closed, all are.
	permits chan struct{}

	mu           sync.Mutex
	sizes        []int // how many logs each insert has
	broken, lost bool  // the next insert's connection, before or after it
}

func holdAt(pool *pgxpool.Pool) *heldStore {
	return &heldStore{Store: command.NewStore(pool), permits: make(chan struct{}, 100)}
}

// let lets so many executions through.
func (s *heldStore) let(n int) {
	for range n {
		s.permits <- struct{}{}
	}
}

// release lets all through from now on.
func (s *heldStore) release() { close(s.permits) }

// breakBefore breaks the connection of one execution before it begins.
func (s *heldStore) breakBefore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
}

// breakAfter breaks the connection of one execution when it is committed, before
// its answer has come.
func (s *heldStore) breakAfter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = true
}

// executions returns how many logs were in each, in the order in which they came.
func (s *heldStore) executions() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sizes)
}

func (s *heldStore) waitForExecutions(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.executions()) >= n }, eventually, often, "the recorder doesn't write")
}

// Insert is that of the store.
func (s *heldStore) Insert(ctx context.Context, logs []command.Log) (command.RecordedLogs, error) {
	s.mu.Lock()
	s.sizes = append(s.sizes, len(logs))
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
	recorded, err := s.Store.Insert(ctx, logs)
	if lost {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return recorded, err
}

var errBroken = errors.New("this store is broken")

type brokenStore struct{ command.Store }

func (brokenStore) Insert(context.Context, []command.Log) (command.RecordedLogs, error) {
	return nil, errBroken
}

// slowStore takes its time to say that it is broken.
type slowStore struct {
	brokenStore

	takes time.Duration
}

func (s *slowStore) Insert(ctx context.Context, logs []command.Log) (command.RecordedLogs, error) {
	time.Sleep(s.takes)
	return s.brokenStore.Insert(ctx, logs)
}

// stuck is a store that answers nothing until it is let go, and then fails.
type stuck struct {
	command.Store

	asked, letGo chan struct{}
}

func newStuck() stuck { return stuck{asked: make(chan struct{}, 1), letGo: make(chan struct{})} }

func (s stuck) Insert(context.Context, []command.Log) (command.RecordedLogs, error) {
	s.asked <- struct{}{}
	<-s.letGo
	return nil, errors.New("it is away")
}
