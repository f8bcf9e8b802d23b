package command

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"learninglog/internal/caller"
)

// group implements group commit: logs that are submitted at the same time are
// written by one execution of the write statement, and so share a commit.
//
// It has a few lanes, each of which writes at most one batch at a time. All logs of
// a user go to the same lane, so that batches don't wait for each other's rollup
// rows.
type group struct {
	admission *admission
	servers   *servers
	known     *known
	observer  Observer
	abort     context.CancelFunc // cancels all writes
}

func newGroup(store store, config Config) *group {
	ctx, abort := context.WithCancel(context.Background())
	g := &group{
		admission: newAdmission(config.MaxWaiting),
		known:     newKnown(),
		observer:  config.Observer,
		abort:     abort,
	}
	writer := newWriter(store, g.known, config)
	newLane := func(process func(context.Context, *batch)) *lane {
		return &lane{
			context:   ctx,
			process:   process,
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
	g.servers = newServers(config.Nodes, func() *server {
		one := &server{lookUps: newLane(writer.lookUp)}
		one.lookUps.passOn = func(s *submission, logs []*submittedLog) { divide(s, logs, g.servers.laneOf()) }
		for range config.Lanes {
			aside := newAsides(func() *lane {
				return newLane(func(ctx context.Context, b *batch) { writer.write(ctx, b, 0) })
			})
			l := newLane(func(ctx context.Context, b *batch) { writer.write(ctx, b, aside.room()) })
			l.aside, l.passOn = aside, aside.take
			one.lanes = append(one.lanes, l)
		}
		return one
	})
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
	g.submit(s, changes)
	select {
	case <-s.done:
		return s.outcomes(nil)
	case <-ctx.Done():
		s.abandoned.Store(true)
		return s.outcomes(context.Cause(ctx))
	}
}

// submit queues an accepted submission.
func (g *group) submit(s *submission, changes []change) {
	logs := make([]*submittedLog, len(s.logs))
	for i := range s.logs {
		logs[i] = &s.logs[i]
	}
	if g.lookRecorded(changes) {
		divide(s, logs, g.servers.lookUpsOf())
	} else {
		divide(s, logs, g.servers.laneOf())
	}
}

// lookRecorded reports whether all logs of a call were probably recorded before. The first
// one tells it for the others, because calls are repeated as they were. The logs of a call
// take effect in their order, so none that voids something is looked up before its turn.
func (g *group) lookRecorded(changes []change) bool {
	return g.known.has(changes[0].key().fingerprint()) && !voidAny(changes)
}

// divide queues logs of a submission in the lanes of their users. Logs with the same key
// go to the same lane, and keep their order.
func divide(s *submission, logs []*submittedLog, laneOf func(user uuid.UUID) *lane) {
	shares := make(map[*lane]*share)
	for _, log := range logs {
		l := laneOf(log.UserID)
		if shares[l] == nil {
			shares[l] = &share{submission: s}
		}
		shares[l].logs = append(shares[l].logs, log)
	}
	for l, share := range shares {
		l.push(share)
	}
}

// backlog returns at least a second, because a client that was refused should not
// come back at once. It returns at most half a minute, because a long backlog may
// shrink sooner.
func (g *group) backlog() time.Duration {
	const least, most = time.Second, 30 * time.Second
	longest := least
	for _, lane := range g.servers.lanes() {
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
