package command

import (
	"context"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/google/uuid"
)

// group is group commit: logs that are submitted at the same time are written
// by one execution of the one write statement, and share its commit.
//
// It has a few lanes, each with a batch under way at most. The logs of a user
// are always in the same lane, so that batches don't wait for each other's
// rollup rows.
type group struct {
	admission *admission
	lanes     []*lane
	seed      maphash.Seed // of the hashes that spread users over lanes
	observer  Observer
	abort     context.CancelFunc // ends all writing
}

func newGroup(store store, config Config) *group {
	ctx, abort := context.WithCancel(context.Background())
	g := &group{
		admission: newAdmission(config.MaxWaiting),
		seed:      maphash.MakeSeed(),
		observer:  config.Observer,
		abort:     abort,
	}
	writer := newWriter(store, config)
	for range config.Lanes {
		g.lanes = append(g.lanes, &lane{
			context:   ctx,
			writer:    writer,
			maxBatch:  config.MaxBatch,
			admission: g.admission,
			observer:  config.Observer,
		})
	}
	return g
}

// write returns an outcome for every log. If accept doesn't let them in, all have
// Failed. If ctx ends, the logs that aren't written by then have Failed.
func (g *group) write(ctx context.Context, logs []Log, accept accept) []Outcome {
	if len(logs) == 0 {
		return nil
	}
	s := newSubmission(logs)
	if err := accept(ctx, len(logs)); err != nil {
		g.observer.Refused(Failed, len(logs))
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

// submit gives the lanes of its users their shares of s, which was accepted. Logs
// with the same key have the same lane, and stay in their order.
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

// laneOf spreads users evenly, whatever kind of UUIDs they have and whoever
// chooses them: of some kinds all but the time is the same.
func (g *group) laneOf(user uuid.UUID) *lane {
	return g.lanes[maphash.Bytes(g.seed, user[:])%uint64(len(g.lanes))]
}

// backlog is at least a second: who was turned away should not come back at once.
// It is no more than half a minute: what took long may be over sooner.
func (g *group) backlog() time.Duration {
	const least, most = time.Second, 30 * time.Second
	longest := least
	for _, lane := range g.lanes {
		longest = max(longest, lane.backlog())
	}
	return min(longest, most)
}

// close accepts nothing more, and returns when everything that was accepted is
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
