package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// load is a set of clients that post logs, one or a few at a time. Like real
// clients, they post unacknowledged logs again with the same request ids. Some give
// up, and never learn the outcome. Now and then a client takes back a log of its own, or
// replaces it by another one; and somebody re-zones all logs without a zone.
type load struct {
	t testing.TB
	// bases are the addresses of the services. The clients are divided among them.
	bases []func() string
	http  *http.Client
	// companions run while the clients post. They end when the load is being stopped.
	companions []func()
	// recorded is the relation that has all logs that were recorded.
	recorded string
	refusals refusals

	stopping atomic.Bool
	clients  sync.WaitGroup

	// For each service: the number of posts that it acknowledged, and that it
	// refused temporarily.
	acknowledged, unavailable []atomic.Int64

	mu     sync.Mutex
	users  []uuid.UUID
	posted map[uuid.UUID]*postedLog
	// acknowledgements counts the acknowledged logs, voids and replacements among them,
	// and checks the comparisons with the database.
	acknowledgements, voids, replacements, checks int
	// cameBack has logs that were recorded although they had to be refused.
	cameBack []uuid.UUID
}

// postedLog is a log, and what its client knows about it.
type postedLog struct {
	requestID uuid.UUID
	content   content
	posts     int
	// acknowledged is the number of its acknowledgement. seen is the number of the
	// last check that saw it in the database. Both count from 1; 0 means none.
	acknowledged, seen int
	// mustBeRefused says that a service may not record it when it is posted last, and refused
	// is the outcome by which it was refused for good, or empty.
	mustBeRefused bool
	refused       string
	// fate is what its client wants to become of it after its acknowledgement.
	fate fate
	// replaces is the log that it should replace, or nil.
	replaces *postedLog
	// voided is the number of the acknowledgement that it is taken back or replaced.
	voided int
}

// fate is what a client does with a log after its acknowledgement.
type fate int

const (
	kept fate = iota
	takenBack
	replaced
)

// content is the content of a log, with its timestamp in seconds.
type content struct {
	user      uuid.UUID
	words     int
	timestamp int64
	// zone is the name of the learner's zone, or empty if the client says none.
	zone string
}

func (c content) time() time.Time { return time.Unix(c.timestamp, 0) }

// saidZone is the zone of logs that have one. It has no summer time.
const (
	saidZone       = "Asia/Kathmandu"
	saidZoneOffset = 5*60 + 45
)

const loadClients = 8

// newLoad returns clients of the services. They don't post yet.
func newLoad(t testing.TB, bases ...func() string) *load {
	t.Helper()
	l := &load{
		t:            t,
		bases:        bases,
		http:         &http.Client{Timeout: eventually, Transport: &http.Transport{MaxIdleConnsPerHost: loadClients}},
		recorded:     "learning_log",
		users:        make([]uuid.UUID, 20), // few, so that clients compete for the same rows
		acknowledged: make([]atomic.Int64, len(bases)),
		unavailable:  make([]atomic.Int64, len(bases)),
		posted:       make(map[uuid.UUID]*postedLog),
	}
	for i := range l.users {
		l.users[i] = uuid.New()
	}
	t.Cleanup(l.stop)
	return l
}

// start makes the clients begin or continue to post.
func (l *load) start() {
	l.stopping.Store(false)
	for i := range loadClients {
		l.clients.Go(func() {
			for !l.stopping.Load() {
				logs := l.newLogs()
				l.post(i%len(l.bases), logs)
				for _, log := range logs {
					l.fulfil(i%len(l.bases), log)
				}
			}
		})
	}
	l.clients.Go(l.rezone)
	for _, companion := range l.companions {
		l.clients.Go(companion)
	}
}

// rezone re-zones everybody's logs without a zone, back and forth.
func (l *load) rezone() {
	const pause = 500 * time.Millisecond
	for n := 0; !l.stopping.Load(); n++ {
		zone := []string{"Asia/Tokyo", "America/St_Johns"}[n%2]
		response, err := l.http.Post(l.bases[n%len(l.bases)]()+"/v1/rezones", "application/json",
			strings.NewReader(`{"time_zone":"`+zone+`","max_logs_per_second":0}`))
		if err == nil { // nobody waits for it
			_ = response.Body.Close()
		}
		time.Sleep(pause)
	}
}

// fulfil does to an acknowledged log what its client wants to become of it.
func (l *load) fulfil(service int, log *postedLog) {
	l.mu.Lock()
	acknowledged := log.acknowledged > 0
	if !acknowledged {
		log.fate = kept
	}
	l.mu.Unlock()
	switch log.fate {
	case kept:
	case takenBack:
		l.void(service, log)
	case replaced:
		replacement := l.newLog()
		replacement.content.user, replacement.fate, replacement.replaces = log.content.user, kept, log
		l.post(service, l.register(replacement))
	}
}

// void takes a log back, with as many tries as a client has patience.
func (l *load) void(service int, log *postedLog) {
	const pause = 10 * time.Millisecond
	for tries := 1 + rand.IntN(100); tries > 0 && !l.stopping.Load(); tries-- {
		path := fmt.Sprintf("/v1/users/%s/learning-logs/%s", log.content.user, log.requestID)
		request, err := http.NewRequest(http.MethodDelete, l.bases[service]()+path, nil)
		if !assert.NoError(l.t, err) {
			return
		}
		response, err := l.http.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				l.noteVoid(log)
				return
			}
			unknown := response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusGone
			if unknown && l.refusals.mayBeGone(log.content) {
				return
			}
			assert.Equal(l.t, http.StatusServiceUnavailable, response.StatusCode, "of a log that is taken back")
		}
		time.Sleep(pause)
	}
}

func (l *load) noteVoid(log *postedLog) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledgements++
	l.voids++
	log.voided = l.acknowledgements
}

// stop makes the clients stop, each after its current post.
func (l *load) stop() {
	l.stopping.Store(true)
	l.clients.Wait()
}

// waitForMore waits until every service has acknowledged that many more posts.
func (l *load) waitForMore(posts int64) {
	l.t.Helper()
	for i := range l.acknowledged {
		before := l.acknowledged[i].Load()
		await(l.t, fmt.Sprintf("service %d acknowledges posts", i), func() (int, bool) {
			now := l.acknowledged[i].Load()
			return int(now), now >= before+posts
		})
	}
}

// newLogs returns one log, or sometimes a few.
func (l *load) newLogs() []*postedLog {
	size := 1
	if rand.IntN(4) == 0 {
		size = 2 + rand.IntN(20)
	}
	logs := make([]*postedLog, size)
	for i := range logs {
		logs[i] = l.newLog()
	}
	return l.register(logs...)
}

func (l *load) newLog() *postedLog {
	log := &postedLog{
		requestID: uuid.New(),
		content: content{
			user:      l.drawUser(),
			words:     rand.IntN(100),
			timestamp: l.drawTime().Unix(),
			zone:      []string{"", saidZone}[rand.IntN(2)],
		},
	}
	if chance := rand.IntN(10); chance <= int(replaced) {
		log.fate = fate(chance)
	}
	return log
}

func (l *load) drawUser() uuid.UUID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.users[rand.IntN(len(l.users))]
}

// drawTime returns a time of the last weeks, or else one about the horizon, where logs are
// refused already or are purged soon.
func (l *load) drawTime() time.Time {
	if keptDays := l.refusals.days(); keptDays > 0 && rand.IntN(2) == 0 {
		return daysBefore(keptDays + 1 - rand.IntN(8)).Add(-rand.N(day))
	}
	return daysBefore(1 + rand.IntN(20)) // within the summary's last 30 days
}

func (l *load) register(logs ...*postedLog) []*postedLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, log := range logs {
		l.posted[log.requestID] = log
	}
	return logs
}

// newLogOf returns a log of a learner that is registered.
func (l *load) newLogOf(user uuid.UUID) *postedLog {
	log := l.newLog()
	log.content.user, log.fate = user, kept
	return l.register(log)[0]
}

// replaceUser returns one of the users, and their logs that are acknowledged. If there are any,
// the user's place is a new one's from now on.
func (l *load) replaceUser() (user uuid.UUID, posted []*postedLog) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := rand.IntN(len(l.users))
	user = l.users[n]
	for _, log := range l.posted {
		if log.content.user == user && log.acknowledged > 0 {
			posted = append(posted, log)
		}
	}
	if len(posted) > 0 {
		l.users[n] = uuid.New()
	}
	return user, posted
}

// anyAcknowledged returns a log that its client doesn't post any more, or nil if there is none.
func (l *load) anyAcknowledged() *postedLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, log := range l.posted { // from anywhere on
		if log.acknowledged > 0 {
			return log
		}
	}
	return nil
}

// refusal returns the outcome by which a log was refused for good, or nothing.
func (l *load) refusal(log *postedLog) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return log.refused
}

// post posts logs to a service until they have final outcomes or the client gives up.
func (l *load) post(service int, logs []*postedLog) {
	const pause = 10 * time.Millisecond
	for tries := 1 + rand.IntN(100); tries > 0; tries-- {
		logs = l.postOnce(service, logs)
		if len(logs) == 0 || l.stopping.Load() {
			return
		}
		time.Sleep(pause) // as a client does after a refusal
	}
}

// postOnce returns the logs that have no final outcome.
func (l *load) postOnce(service int, logs []*postedLog) []*postedLog {
	bodies := l.bodiesOf(logs)
	path, body := "/v1/learning-logs", bodies[0]
	switch {
	case len(logs) > 1:
		path, body = "/v1/learning-logs/batch", "["+strings.Join(bodies, ",")+"]"
	case rand.IntN(2) == 0:
		path += "?on_duplicate=return"
	}
	response, err := l.http.Post(l.bases[service]()+path, "application/json", strings.NewReader(body))
	if err != nil {
		return logs
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return logs
	}
	if response.StatusCode == http.StatusServiceUnavailable {
		l.unavailable[service].Add(1)
		assert.NotEmpty(l.t, response.Header.Get("Retry-After"), "%s", text)
		return logs
	}
	outcomes, err := outcomesOf(response.StatusCode, text, len(logs))
	if !assert.NoError(l.t, err, "%s", text) {
		return logs
	}
	var failed []*postedLog
	for i, log := range logs {
		if !l.learn(log, outcomes[i]) {
			failed = append(failed, log)
		}
	}
	if slices.ContainsFunc(outcomes, isRecorded) { // logs that are too old are refused without the database
		l.acknowledged[service].Add(1)
	}
	return failed
}

// bodiesOf returns the logs in JSON, and notes that they are posted.
func (l *load) bodiesOf(logs []*postedLog) []string {
	bodies := make([]string, len(logs))
	for i, log := range logs {
		log.posts++
		log.mustBeRefused = l.refusals.must(log.content)
		fields := []string{fmt.Sprintf(`"timestamp":"%s"`, log.content.time().UTC().Format(time.RFC3339))}
		if log.content.zone != "" {
			fields = append(fields, fmt.Sprintf(`"time_zone":"%s"`, log.content.zone))
		}
		if log.replaces != nil {
			fields = append(fields, fmt.Sprintf(`"replaces":"%s"`, log.replaces.requestID))
		}
		bodies[i] = logWithID(log.requestID, log.content.user, log.content.words, fields...)
	}
	return bodies
}

// learn notes the outcome that a client received for a log, and reports whether it is
// final.
func (l *load) learn(log *postedLog, outcome string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case outcome == "failed":
		return false
	case !isRecorded(outcome):
		assert.True(l.t, l.mayBe(log, outcome), "unexpected outcome: %s of the log %s of a learner who is erased (%t), posted %d times",
			outcome, log.requestID, l.refusals.isErased(log.content.user), log.posts)
		log.refused = outcome
		return true
	case outcome == "already_recorded":
		assert.Greater(l.t, log.posts, 1, "the log %s is said to be recorded before, and was posted for the first time", log.requestID)
	}
	if log.mustBeRefused {
		l.cameBack = append(l.cameBack, log.requestID)
	}
	l.acknowledge(log)
	return true
}

// isRecorded reports whether an outcome says that the log is recorded.
func isRecorded(outcome string) bool { return outcome == "recorded" || outcome == "already_recorded" }

// mayBe reports whether a log may have an outcome by which it is refused for good.
func (l *load) mayBe(log *postedLog, outcome string) bool {
	switch outcome {
	case "voided":
		return log.fate != kept
	case "replaced_unknown":
		return log.replaces != nil && l.refusals.mayBeGone(log.replaces.content)
	default:
		return l.refusals.may(log.content, outcome)
	}
}

// acknowledge must be called with l.mu held.
func (l *load) acknowledge(log *postedLog) {
	if log.acknowledged > 0 {
		return
	}
	l.acknowledgements++
	log.acknowledged = l.acknowledgements
	if log.replaces != nil {
		l.replacements++
		log.replaces.voided = l.acknowledgements
	}
}

// outcomesOf returns the outcomes in a response, for that many logs.
func outcomesOf(status int, body []byte, logs int) ([]string, error) {
	if logs == 1 {
		var problem problem
		switch status {
		case http.StatusCreated:
			return []string{"recorded"}, nil
		case http.StatusOK:
			return []string{"already_recorded"}, nil
		case http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
			err := json.Unmarshal(body, &problem)
			return []string{strings.ReplaceAll(strings.TrimPrefix(problem.Type, "/problems/"), "-", "_")}, err
		default:
			return nil, fmt.Errorf("unexpected status %d", status)
		}
	}
	var answer struct {
		Outcomes []struct{ Outcome string }
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || len(answer.Outcomes) != logs {
		return nil, errors.Join(err, fmt.Errorf("status %d with %d outcomes of %d logs", status, len(answer.Outcomes), logs))
	}
	outcomes := make([]string, logs)
	for i, outcome := range answer.Outcomes {
		outcomes[i] = outcome.Outcome
	}
	return outcomes, nil
}

// findings is the result of comparing a load with the database.
type findings struct {
	posted, acknowledged, voids, replacements, stored, rezoned, purged int
	// What must not happen. lost has acknowledged logs that aren't stored, or not as
	// they were posted, and logs that count though they were acknowledged to be taken
	// back. strange has stored logs that nobody posted like that, or took back. torn has
	// logs that were replaced without their replacement, or not replaced although there
	// is one. cameBack has logs that were recorded although they were too old, or of an erased
	// learner, and leftOfErased the learners who are erased but of whom something is there. The
	// others are the number of logs that are counted more than once, the drifted rows of the
	// rollups, the sealed days that aren't what was purged, and the time of a log that was
	// purged too soon.
	lost, strange, torn, cameBack    []uuid.UUID
	double                           int
	drifted, missealed, leftOfErased []string
	purgedTooSoon                    string
}

func (f findings) String() string {
	return fmt.Sprintf("%d logs posted, %d acknowledged, of which %d taken back and %d replacements, %d stored, %d of them re-zoned and %d purged; "+
		"%d lost, %d strange, %d torn, %d counted double, %d rows drifted, %d days sealed wrong, "+
		"%d logs came back that were too old or of erased learners, %d erased learners came back",
		f.posted, f.acknowledged, f.voids, f.replacements, f.stored, f.rezoned, f.purged,
		len(f.lost), len(f.strange), len(f.torn), f.double, len(f.drifted), len(f.missealed), len(f.cameBack), len(f.leftOfErased))
}

func (f findings) assertNothingWrong(t testing.TB) {
	t.Helper()
	assert.Positive(t, f.acknowledged, "nothing was tested")
	assert.Empty(t, f.lost, "acknowledged logs that aren't stored as they were posted")
	assert.Empty(t, f.strange, "stored logs that nobody posted")
	assert.Empty(t, f.torn, "a log and its replacement aren't one commit")
	assert.Empty(t, f.cameBack, "recorded logs that were too old, or of an erased learner")
	assert.Empty(t, f.leftOfErased, "erased learners of whom something is there")
	assert.Empty(t, f.missealed, "sealed days that aren't what was purged")
	assert.Empty(t, f.purgedTooSoon, "a log was purged too soon")
	assert.Zero(t, f.double, "logs are counted more often than once")
	assert.Empty(t, f.drifted, "the rollups have drifted")
	if t.Failed() {
		t.Log(f)
	}
}

// check compares what the clients know with the database. The clients may continue
// meanwhile. It leaves out the logs of a hostile client, which keeps no account of them.
func (l *load) check(databaseURL string) findings {
	l.t.Helper()
	pool := openPool(l.t, databaseURL)
	defer pool.Close()
	check, found := l.beginCheck()
	rows, err := pool.Query(context.Background(), `
		SELECT request_id, user_id, word_count, "timestamp", utc_offset, offset_given, voided_at IS NOT NULL
		FROM `+l.recorded+` WHERE user_id::text NOT LIKE $1`, hostileUsers)
	require.NoError(l.t, err)
	var (
		id            uuid.UUID
		log           content
		timestamp     time.Time
		offset        int
		given, voided bool
		twice         int
	)
	stored := make(map[uuid.UUID]bool) // whether it counts
	_, err = pgx.ForEachRow(rows, []any{&id, &log.user, &log.words, &timestamp, &offset, &given, &voided}, func() error {
		found.stored++
		if _, again := stored[id]; again {
			twice++
		}
		stored[id] = !voided
		log.timestamp, log.zone = timestamp.Unix(), ""
		switch {
		case given && offset == saidZoneOffset:
			log.zone = saidZone
		case given:
			log.zone = fmt.Sprintf("an offset of %d minutes", offset)
		case offset != 0:
			found.rezoned++
		}
		if !l.saw(id, log, voided, check) {
			found.strange = append(found.strange, id)
		}
		return nil
	})
	require.NoError(l.t, err)
	found.lost = l.notSeen(check, found.acknowledged, stored)
	found.torn = l.tornApart(stored)
	const double = `
		SELECT greatest(sum(entry_count)
		         - (SELECT count(*) FROM learning_log WHERE voided_at IS NULL)
		         - (SELECT coalesce(sum(entry_count), 0) FROM learning_log_sealed_days), 0)::int
		FROM learning_log_aggregates WHERE granularity = 'day'`
	require.NoError(l.t, pool.QueryRow(context.Background(), double).Scan(&found.double))
	found.double += twice
	found.drifted = pgtest.Drift(l.t, pool)
	return found
}

func (l *load) beginCheck() (check int, found findings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checks++
	return l.checks, findings{
		posted: len(l.posted), acknowledged: l.acknowledgements, voids: l.voids, replacements: l.replacements,
		cameBack: slices.Clone(l.cameBack),
	}
}

// saw notes that a log is stored, and reports whether it was posted like that, and its
// client may have taken it back if it is voided.
func (l *load) saw(id uuid.UUID, stored content, voided bool, check int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	log := l.posted[id]
	if log == nil || log.content != stored || voided && log.fate == kept {
		return false
	}
	log.seen = check
	return true
}

// notSeen returns the logs that a check should have seen but didn't, and those that it
// saw counting although they were taken back: all whose acknowledgements have a number up
// to the given one, so they precede the check. Of erased learners nothing is lost.
func (l *load) notSeen(check, acknowledgements int, stored map[uuid.UUID]bool) (lost []uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	precedes := func(acknowledgement int) bool { return acknowledgement > 0 && acknowledgement <= acknowledgements }
	for id, log := range l.posted {
		if l.refusals.isErased(log.content.user) {
			continue
		}
		if precedes(log.acknowledged) && log.seen != check || precedes(log.voided) && stored[id] {
			lost = append(lost, id)
		}
	}
	return lost
}

// tornApart returns the replacements that are stored although the log that they replace
// counts, or that aren't although it was voided. stored has whether each log counts.
func (l *load) tornApart(stored map[uuid.UUID]bool) (torn []uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, log := range l.posted {
		if log.replaces == nil || l.refusals.isErased(log.content.user) {
			continue
		}
		_, isStored := stored[id]
		counts, knowsReplaced := stored[log.replaces.requestID]
		if knowsReplaced && isStored == counts {
			torn = append(torn, id)
		}
	}
	return torn
}

// assertSummaries asserts, after the clients have stopped, that the summaries of a
// service show every user all logs that were recorded, as they were posted. What a client had
// sent is recorded even if the client is gone, so both are read again until nothing is written
// any more.
func (l *load) assertSummaries(s *service, databaseURL string) {
	l.t.Helper()
	pool := openPool(l.t, databaseURL)
	defer pool.Close()
	var recorded, shown map[uuid.UUID][2]int
	if !assert.Eventually(l.t, func() bool {
		recorded = l.recordedSums(pool)
		shown = make(map[uuid.UUID][2]int, len(recorded))
		for user := range recorded {
			// Of all dates: logs that were re-zoned eastwards may count on a date that hasn't
			// begun by the clock of the latest one.
			words, entries := s.sums(user, "?granularity=total")
			shown[user] = [2]int{words, entries}
		}
		return maps.Equal(recorded, shown)
	}, eventually, often, "summaries show what is recorded") {
		assert.Equal(l.t, recorded, shown, "the words and entries of each user")
	}
}

// recordedSums returns the words and entries of each user's logs that were recorded and not
// taken back: the words that their clients have posted.
func (l *load) recordedSums(pool *pgxpool.Pool) map[uuid.UUID][2]int {
	l.t.Helper()
	rows, err := pool.Query(context.Background(), `SELECT request_id FROM `+l.recorded+` WHERE voided_at IS NULL`)
	require.NoError(l.t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(l.t, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	sums := make(map[uuid.UUID][2]int)
	for _, id := range ids {
		log := l.posted[id]
		if log == nil || l.refusals.isErased(log.content.user) {
			continue // of a hostile client, or being deleted
		}
		before := sums[log.content.user]
		sums[log.content.user] = [2]int{before[0] + log.content.words, before[1] + 1}
	}
	return sums
}

func openPool(t testing.TB, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), databaseURL)
	require.NoError(t, err)
	return pool
}

// waitForUnavailable waits until every service refuses posts.
func (l *load) waitForUnavailable() {
	l.t.Helper()
	for i := range l.unavailable {
		before := l.unavailable[i].Load()
		require.Eventually(l.t, func() bool { return l.unavailable[i].Load() > before+loadClients }, eventually, often,
			"service %d goes on as if nothing was", i)
	}
}
