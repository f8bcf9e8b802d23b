package rebuild_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

// scene has writers that write until they are stopped, while rebuilds run.
type scene struct {
	passes  sync.WaitGroup
	writers sync.WaitGroup
	stopped atomic.Bool
	written atomic.Int64
}

// newScene starts writers that record logs of users in January and February 2026. It
// returns when each user has some logs.
func newScene(t require.TestingT, pool *pgxpool.Pool, users []uuid.UUID, writers int, seed uint64) *scene {
	s := &scene{}
	for _, id := range users {
		record(t, pool, newLog(id, 5, "2026-01-31T23:00:00-12:00"), newLog(id, 7, "2026-02-01T08:00:00+14:00"))
	}
	for writer := range writers {
		recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)})
		random := rand.New(rand.NewPCG(seed, uint64(writer)))
		s.writers.Go(func() {
			for !s.stopped.Load() {
				logs := make([]command.Log, 1+random.IntN(5))
				for i := range logs {
					at := time.Date(2026, 1, 1+random.IntN(59), random.IntN(24), 0, 0, 0, randomClock(random))
					logs[i] = logAt(users[random.IntN(len(users))], random.IntN(50), at)
				}
				for _, outcome := range recorder.Record(context.Background(), logs) {
					if !assert.Equal(t, command.Recorded, outcome.Status) {
						return
					}
				}
				s.written.Add(int64(len(logs)))
			}
		})
	}
	return s
}

func (s *scene) stop() {
	s.stopped.Store(true)
	s.passes.Wait()
	s.writers.Wait()
}
