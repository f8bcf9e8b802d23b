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
	users []uuid.UUID
	http  *http.Client

	stopping atomic.Bool
	clients  sync.WaitGroup

	// For each service: the number of posts that it acknowledged, and that it
	// refused temporarily.
	acknowledged, unavailable []atomic.Int64

	mu     sync.Mutex
	posted map[uuid.UUID]*postedLog
	// acknowledgements counts the acknowledged logs, voids and replacements among them,
	// and checks the comparisons with the database.
	acknowledgements, voids, replacements, checks int
}

// postedLog is a log, and what its client knows about it.
type postedLog struct {
	requestID uuid.UUID
	content   content
	posts     int
	// acknowledged is the number of its acknowledgement. seen is the number of the
	// last check that saw it in the database. Both count from 1; 0 means none.
	acknowledged, seen int
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
		users:        make([]uuid.UUID, 20), // few, so that clients compete for the same rows
		http:         &http.Client{Timeout: eventually, Transport: &http.Transport{MaxIdleConnsPerHost: loadClients}},
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
	daysAgo := 1 + rand.IntN(20) // within the summary's last 30 days
	log := &postedLog{
		requestID: uuid.New(),
		content: content{
			user:      l.users[rand.IntN(len(l.users))],
			words:     rand.IntN(100),
			timestamp: time.Now().AddDate(0, 0, -daysAgo).Unix(),
			zone:      []string{"", saidZone}[rand.IntN(2)],
		},
	}
	if chance := rand.IntN(10); chance <= int(replaced) {
		log.fate = fate(chance)
	}
	return log
}

func (l *load) register(logs ...*postedLog) []*postedLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, log := range logs {
		l.posted[log.requestID] = log
	}
	return logs
}

// post posts logs to a service until they are acknowledged or the client gives up.
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

// postOnce returns the logs that are not acknowledged.
func (l *load) postOnce(service int, logs []*postedLog) []*postedLog {
	bodies := bodiesOf(logs)
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
	l.acknowledged[service].Add(1)
	return failed
}

// bodiesOf returns the logs in JSON, and notes that they are posted.
func bodiesOf(logs []*postedLog) []string {
	bodies := make([]string, len(logs))
	for i, log := range logs {
		log.posts++
		fields := []string{fmt.Sprintf(`"timestamp":"%s"`, time.Unix(log.content.timestamp, 0).UTC().Format(time.RFC3339))}
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

// learn notes the outcome that a client received for a log, and reports whether it
// is an acknowledgement.
func (l *load) learn(log *postedLog, outcome string) bool {
	switch outcome {
	case "recorded":
	case "already_recorded":
		assert.Greater(l.t, log.posts, 1, "the log %s is said to be recorded before, and was posted for the first time", log.requestID)
	case "failed":
		return false
	default:
		assert.Fail(l.t, "unexpected outcome", "%s of the log %s", outcome, log.requestID)
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledgements++
	log.acknowledged = l.acknowledgements
	if log.replaces != nil {
		l.replacements++
		log.replaces.voided = l.acknowledgements
	}
	return true
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
		case http.StatusConflict:
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
	posted, acknowledged, voids, replacements, stored, rezoned int
	// What must not happen. lost has acknowledged logs that aren't stored, or not as
	// they were posted, and logs that count though they were acknowledged to be taken
	// back. strange has stored logs that nobody posted like that, or took back. torn has
	// logs that were replaced without their replacement, or not replaced although there
	// is one. The others are the number of logs that are counted more than once, and the
	// drifted rows of the rollups.
	lost, strange, torn []uuid.UUID
	double              int
	drifted             []string
}

func (f findings) String() string {
	return fmt.Sprintf("%d logs posted, %d acknowledged, of which %d taken back and %d replacements, %d stored, %d of them re-zoned; "+
		"%d lost, %d strange, %d torn, %d counted double, %d rows drifted",
		f.posted, f.acknowledged, f.voids, f.replacements, f.stored, f.rezoned,
		len(f.lost), len(f.strange), len(f.torn), f.double, len(f.drifted))
}

func (f findings) assertNothingWrong(t testing.TB) {
	t.Helper()
	assert.Positive(t, f.acknowledged, "nothing was tested")
	assert.Empty(t, f.lost, "acknowledged logs that aren't stored as they were posted")
	assert.Empty(t, f.strange, "stored logs that nobody posted")
	assert.Empty(t, f.torn, "a log and its replacement aren't one commit")
	assert.Zero(t, f.double, "logs are counted more often than once")
	assert.Empty(t, f.drifted, "the rollups have drifted")
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
		FROM learning_log WHERE user_id::text NOT LIKE $1`, hostileUsers)
	require.NoError(l.t, err)
	var (
		id            uuid.UUID
		log           content
		timestamp     time.Time
		offset        int
		given, voided bool
	)
	stored := make(map[uuid.UUID]bool) // whether it counts
	_, err = pgx.ForEachRow(rows, []any{&id, &log.user, &log.words, &timestamp, &offset, &given, &voided}, func() error {
		found.stored++
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
		SELECT greatest(sum(entry_count) - (SELECT count(*) FROM learning_log WHERE voided_at IS NULL), 0)::int
		FROM learning_log_aggregates WHERE granularity = 'day'`
	require.NoError(l.t, pool.QueryRow(context.Background(), double).Scan(&found.double))
	found.drifted = pgtest.Drift(l.t, pool)
	return found
}

func (l *load) beginCheck() (check int, found findings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checks++
	return l.checks, findings{
		posted: len(l.posted), acknowledged: l.acknowledgements, voids: l.voids, replacements: l.replacements,
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
// to the given one, so they precede the check.
func (l *load) notSeen(check, acknowledgements int, stored map[uuid.UUID]bool) (lost []uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	precedes := func(acknowledgement int) bool { return acknowledgement > 0 && acknowledgement <= acknowledgements }
	for id, log := range l.posted {
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
		if log.replaces == nil {
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
// service show every user all logs that are stored. What a client had sent is recorded even
// if the client is gone, so both are read again until nothing is written any more.
func (l *load) assertSummaries(s *service, databaseURL string) {
	l.t.Helper()
	pool := openPool(l.t, databaseURL)
	defer pool.Close()
	var stored, shown map[uuid.UUID][2]int
	if !assert.Eventually(l.t, func() bool {
		stored = storedSums(l.t, pool)
		shown = make(map[uuid.UUID][2]int, len(stored))
		for user := range stored {
			// Of all dates: logs that were re-zoned eastwards may count on a date that hasn't
			// begun by the clock of the latest one.
			words, entries := s.sums(user, "?granularity=total")
			shown[user] = [2]int{words, entries}
		}
		return maps.Equal(stored, shown)
	}, eventually, often, "summaries show what is stored") {
		assert.Equal(l.t, stored, shown, "the words and entries of each user")
	}
}

// storedSums returns the words and entries of each user's logs that count.
func storedSums(t testing.TB, pool *pgxpool.Pool) map[uuid.UUID][2]int {
	t.Helper()
	rows, err := pool.Query(context.Background(), `SELECT user_id, sum(word_count), count(*) FROM learning_log WHERE voided_at IS NULL GROUP BY user_id`)
	require.NoError(t, err)
	sums := make(map[uuid.UUID][2]int)
	var (
		user           uuid.UUID
		words, entries int
	)
	_, err = pgx.ForEachRow(rows, []any{&user, &words, &entries}, func() error {
		sums[user] = [2]int{words, entries}
		return nil
	})
	require.NoError(t, err)
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
