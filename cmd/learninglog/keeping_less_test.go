package main_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keepingLess is what goes on while clients post, so that less is kept: the horizon is raised
// by a day again and again, old logs are purged, and learners are erased. Meanwhile devices
// send logs late, and a learner keeps a diary and exports it.
type keepingLess struct {
	*installation

	diary   *diary
	ending  atomic.Bool
	running sync.WaitGroup
	// asked is the purge that was asked for last, or 0 if it has ended.
	asked int64
	// mayErase is how many more learners may be erased.
	mayErase atomic.Int64
	// purges were carried through, and cancelled ones weren't. late has the logs that were
	// sent late and refused.
	purges, cancelled, late atomic.Int64

	mu     sync.Mutex
	erased []uuid.UUID
	// devices have logs of erased learners that they may send again.
	devices []*postedLog
}

const (
	// Logs that are older than so many days are too old at first, and at last.
	keptDaysAtFirst, keptDaysAtLast = 1500, 40
	// refusedWithin is how long after an erasure was accepted logs of the learner may still be
	// recorded.
	refusedWithin = 10 * time.Second
	// jobTakesAtMost is long, because a job that has often failed has long pauses.
	jobTakesAtMost = 3 * time.Minute
)

// keepLess begins to keep less. A learner is erased at once, and no other. The diary begins
// with so many logs.
func (i *installation) keepLess(length int) *keepingLess {
	i.watchPurges()
	k := &keepingLess{installation: i, diary: newDiary(i, length)}
	k.mayErase.Store(1)
	i.load.refusals.keep(keptDaysAtFirst)
	i.load.companions = []func(){k.sendLate, k.diary.write, k.diary.read}
	k.start()
	i.t.Cleanup(k.stop)
	return k
}

// start begins or goes on with raising the horizon, erasing and purging, so that a learner is
// erased while logs are purged.
func (k *keepingLess) start() {
	k.ending.Store(false)
	k.running.Go(func() {
		k.end(true)
		k.erase()
		for !k.ending.Load() {
			k.raise()
			k.erase()
			k.purge()
		}
	})
}

// stop returns when it has stopped. A purge may go on.
func (k *keepingLess) stop() {
	k.ending.Store(true)
	k.running.Wait()
}

// raise raises the horizon by a day. It is a purge that does so, and then waits for a minute,
// until all services surely know. Here it is cancelled as soon as they all refuse what is too
// old, and an hour is made to pass.
func (k *keepingLess) raise() {
	days := k.load.refusals.days() - 1
	if days < keptDaysAtLast {
		return
	}
	before := daysBefore(days)
	k.load.refusals.keep(days)
	k.requestPurge()
	allRefuse := k.insist(func() bool {
		for n := range k.services {
			if !refuses(k.services[n].Load(), before) {
				return false
			}
		}
		return true
	})
	if !allRefuse {
		return
	}
	k.load.refusals.refuse(before)
	k.end(true)
	k.insist(func() bool {
		return k.tryToExecute(`UPDATE learning_log_horizon SET raised_at = raised_at - interval '1 hour'`) == nil
	})
}

// refuses reports whether a service refuses logs from just before an instant. It is posted one
// that isn't recorded in any case, because there is nothing that it could replace.
func refuses(s *service, before time.Time) bool {
	got, err := s.call(http.MethodPost, logsPath, newLog(uuid.New(), 1,
		fmt.Sprintf(`"timestamp":"%s","replaces":"%s"`, before.Add(-time.Second).UTC().Format(time.RFC3339), uuid.New())))
	return err == nil && got.status == http.StatusUnprocessableEntity
}

// purge asks for a purge, and waits until it has ended. Now and then it is cancelled.
func (k *keepingLess) purge() {
	k.requestPurge()
	switch cancel := rand.IntN(4) == 0; k.end(cancel) {
	case "completed":
		k.purges.Add(1)
	case "cancelled":
		k.cancelled.Add(1)
	}
}

func (k *keepingLess) requestPurge() {
	body := fmt.Sprintf(`{"older_than_days":%d,"workers":2,"max_logs_per_second":0}`, k.load.refusals.days())
	if got, ok := k.ask(http.MethodPost, "/v1/purges", body); ok && assert.Equal(k.t, http.StatusAccepted, got.status, "%s", got.body) {
		var job struct{ ID int64 }
		got.decode(k.t, &job)
		k.asked = job.ID
	}
}

// end waits until the purge has ended, and returns the state in which it is then.
func (k *keepingLess) end(cancel bool) (state string) {
	if k.asked == 0 {
		return ""
	}
	path := fmt.Sprintf("/v1/rebuilds/%d", k.asked)
	if cancel {
		k.ask(http.MethodDelete, path, "")
	}
	k.insist(func() bool {
		got, ok := k.ask(http.MethodGet, path, "")
		if !ok {
			return false
		}
		var job struct{ State string }
		got.decode(k.t, &job)
		if !slices.Contains([]string{"completed", "cancelled", "discarded"}, job.State) {
			return false
		}
		state, k.asked = job.State, 0
		return true
	})
	return state
}

// erase erases one of the learners, if more may be erased.
func (k *keepingLess) erase() {
	if k.mayErase.Load() == 0 {
		return
	}
	k.mayErase.Add(-1)
	var user uuid.UUID
	var posted []*postedLog
	if !k.insist(func() bool { user, posted = k.load.replaceUser(); return len(posted) > 0 }) {
		return
	}
	k.load.refusals.erase(user, time.Time{})
	got, ok := k.ask(http.MethodDelete, "/v1/users/"+user.String(), "")
	if !ok || !assert.Equal(k.t, http.StatusAccepted, got.status, "%s", got.body) {
		return
	}
	k.load.refusals.erase(user, time.Now().Add(refusedWithin))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.erased = append(k.erased, user)
	k.devices = append(k.devices, posted...)
}

// sendLate posts logs, until the load is stopped, whose clients were away for long: so they
// may be recorded, taken back, purged, or of an erased learner.
func (k *keepingLess) sendLate() {
	for n := 0; !k.load.stopping.Load(); n++ {
		if log := k.drawLate(); log != nil {
			k.load.postOnce(n%len(k.services), []*postedLog{log})
			if k.load.refusal(log) != "" {
				k.late.Add(1)
			}
		}
		time.Sleep(often)
	}
}

// drawLate returns a log of anybody, or else an old or a new one of an erased learner. It
// returns nil if there is none.
func (k *keepingLess) drawLate() *postedLog {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch n := rand.IntN(3); {
	case n == 0:
		return k.load.anyAcknowledged()
	case n == 1 && len(k.devices) > 0:
		return k.devices[rand.IntN(len(k.devices))]
	case n == 2 && len(k.erased) > 0:
		return k.load.newLogOf(k.erased[rand.IntN(len(k.erased))])
	default:
		return nil
	}
}

// insist tries something until it is done or this is stopped, and reports whether it is done.
func (k *keepingLess) insist(try func() bool) (done bool) {
	for !k.ending.Load() {
		if try() {
			return true
		}
		time.Sleep(often)
	}
	return false
}

// ask asks any service until there is an answer, or this is stopped.
func (k *keepingLess) ask(method, path, body string) (got answer, ok bool) {
	ok = k.insist(func() (answered bool) {
		var err error
		got, err = k.services[rand.IntN(len(k.services))].Load().call(method, path, body)
		return err == nil && got.status != http.StatusServiceUnavailable
	})
	return got, ok
}

// check compares what the clients know with the database, as [load.check] does.
func (k *keepingLess) check() findings {
	k.t.Helper()
	found := k.load.check(k.server.URL())
	pool := openPool(k.t, k.server.URL())
	defer pool.Close()
	var latest content
	if found.purged, latest.timestamp = purgedLogs(k.t, pool); !k.load.refusals.mayBePurged(latest) {
		found.purgedTooSoon = latest.time().String()
	}
	found.missealed, found.leftOfErased = missealed(k.t, pool), leftOfErased(k.t, pool)
	return found
}

// assertErased waits until the learners are erased, and asserts that no table has anything of
// them but the list of the erased and the record of what was done, whatever is sent late.
func (k *keepingLess) assertErased() {
	k.t.Helper()
	pool := openPool(k.t, k.server.URL())
	defer pool.Close()
	require.Eventually(k.t, func() bool {
		var pending int
		err := pool.QueryRow(context.Background(), `SELECT count(*) FROM learninglog_erased_users WHERE done_at IS NULL`).Scan(&pending)
		return err == nil && pending == 0
	}, jobTakesAtMost, often, "learners are not erased")
	for _, user := range k.erased {
		for n := range k.services {
			log := k.load.newLogOf(user)
			assert.Empty(k.t, k.load.postOnce(n, []*postedLog{log}))
			assert.NotEmpty(k.t, k.load.refusal(log), "a log of an erased learner")
		}
	}
	found := naming(k.t, pool, k.erased...)
	delete(found, "public.learninglog_audit")
	assert.Equal(k.t, map[string]int{"public.learninglog_erased_users": len(k.erased)}, found)
}

// awaitSomething waits until there is something of everything to check.
func (k *keepingLess) awaitSomething() {
	k.t.Helper()
	for what, count := range map[string]*atomic.Int64{
		"purges": &k.purges, "late logs that are refused": &k.late, "exports with sealed days": &k.diary.sealedDays,
	} {
		require.Eventually(k.t, func() bool { return count.Load() > 0 }, jobTakesAtMost, often, "there are no %s", what)
	}
	require.NotEmpty(k.t, k.erased, "nobody is erased")
}

// report prints what was done.
func (k *keepingLess) report(to io.Writer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, _ = fmt.Fprintf(to, "  %d purges, and %d cancelled ones; %d learners erased; %d late logs refused\n  %s\n",
		k.purges.Load(), k.cancelled.Load(), len(k.erased), k.late.Load(), k.diary)
}
