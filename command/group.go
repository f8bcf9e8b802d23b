package command

import (
	"context"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/google/uuid"

	"learninglog/internal/caller"
	"learninglog/internal/sharding"
)

// group implements group commit: logs that are submitted at the same time are
// written by one execution of the write statement, and so share a commit.
//
// It has a few lanes, each of which writes at most one batch at a time. All logs of
// a user go to the same lane, so that batches don't wait for each other's rollup
// rows.
type group struct {
	admission *admission
	lanes     []*lane
	laneOf    func(user uuid.UUID) *lane
	observer  Observer
	abort     context.CancelFunc // cancels all writes
}

func newGroup(store store, config Config) *group {
	ctx, abort := context.WithCancel(context.Background())
	g := &group{
		admission: newAdmission(config.MaxWaiting),
		observer:  config.Observer,
		abort:     abort,
	}
	writer := newWriter(store, config)
	newLane := func() *lane {
		return &lane{
			context:   ctx,
			writer:    writer,
			maxBatch:  config.MaxBatch,
			admission: g.admission,
			observer:  config.Observer,
			logger:    config.Logger,
			broken: func(err error) {
				g.admission.giveUpAll()
				config.Broken(fmt.Errorf("queueing learning logs: %w", err))
			},
			flows: newFlows(),
		}
	}
	lanes := config.Lanes
	if config.Shards != nil {
		lanes = config.Shards.Count()
	}
	writing := make(chan struct{}, config.Lanes)
	for range lanes {
		l := newLane()
		l.aside, l.writing = newAsides(newLane), writing
		g.lanes = append(g.lanes, l)
	}
	g.laneOf = lanesOf(g.lanes, config.Shards)
	return g
}

// write returns an outcome for every log. If accept refuses the call, all logs have
// Failed. If ctx ends, the logs that aren't written by then have Failed.
func (g *group) write(ctx context.Context, changes []change, accept accept) []Outcome {
	if len(changes) == 0 {
		return nil
	}
	s := newSubmission(caller.Of(ctx), changes)
	if err := accept(ctx, len(changes)); err != nil {
		countFailed(g.observer, s, len(changes))
		return s.outcomes(err)
	}
	g.submit(s)
	select {
	case <-s.done:
		return s.outcomes(nil)
	case <-ctx.Done():
		s.abandoned.Store(true)
		return s.outcomes(context.Cause(ctx))
	}
}

// submit divides an accepted submission among the lanes of its users. Logs with the
// same key go to the same lane, and keep their order.
func (g *group) submit(s *submission) {
	shares := make(map[*lane]*share)
	for i := range s.logs {
		log := &s.logs[i]
		l := g.laneOf(log.UserID)
		if shares[l] == nil {
			shares[l] = &share{submission: s}
		}
		shares[l].logs = append(shares[l].logs, log)
	}
	for l, share := range shares {
		l.push(share)
	}
}

// lanesOf returns the function that assigns users to lanes: by their shard, if the tables
// are distributed, so that a batch is of one shard. Otherwise it spreads users evenly by
// hashing their ids. Parts of an id may be equal for all users: in some kinds of UUID,
// everything but the time is. Clients may also choose ids freely.
func lanesOf(lanes []*lane, shards *sharding.Shards) func(user uuid.UUID) *lane {
	if shards != nil {
		return func(user uuid.UUID) *lane { return lanes[shards.Of(user)] }
	}
	seed := maphash.MakeSeed()
	return func(user uuid.UUID) *lane { return lanes[maphash.Bytes(seed, user[:])%uint64(len(lanes))] }
}

// backlog returns at least a second, because a client that was refused should not
// come back at once. It returns at most half a minute, because a long backlog may
// shrink sooner.
func (g *group) backlog() time.Duration {
	const least, most = time.Second, 30 * time.Second
	longest := least
	for _, lane := range g.lanes {
		longest = max(longest, lane.backlog())
	}
	return min(longest, most)
}

// close stops accepting calls, and returns when everything that was accepted is
// done. If ctx ends first, the logs that aren't written by then have Failed.
func (g *group) close(ctx context.Context) error {
	if g.admission.close() == 0 {
		return nil
	}
	select {
	case <-g.admission.idle:
		return nil
	case <-ctx.Done():
		g.abort()
		<-g.admission.idle
		return fmt.Errorf("writing what was accepted: %w", context.Cause(ctx))
	}
}
