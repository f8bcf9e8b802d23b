package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
)

// diary is of a learner who posts one log after the other, each until it is acknowledged. The
// n-th, from 0, has n words. So whatever moment a summary or an export is of, n logs have
// n(n-1)/2 words, be they logs or sealed days.
type diary struct {
	*installation

	user uuid.UUID
	next []*postedLog // the logs that aren't acknowledged yet

	posted, acknowledged            atomic.Int64 // logs
	whole, cut, refused, sealedDays atomic.Int64 // exports, and what the whole ones had
}

// longDiary is of how many logs an export is longer than what is kept for a client that doesn't
// read it. So the service is still making it when something goes wrong.
const longDiary = 20_000

// newDiary returns a diary that begins with so many logs that aren't purged.
func newDiary(i *installation, length int) *diary {
	d := &diary{installation: i, user: uuid.New()}
	for range length {
		d.add(1 + rand.IntN(20))
	}
	return d
}

// add adds a log to those that are to be posted.
func (d *diary) add(daysAgo int) {
	words := int(d.posted.Add(1)) - 1
	log := &postedLog{requestID: uuid.New(), content: content{user: d.user, words: words, timestamp: daysBefore(daysAgo).Unix()}}
	d.next = append(d.next, d.load.register(log)...)
}

// write posts logs until the load is stopped.
func (d *diary) write() {
	const largestArray = 5000
	for !d.load.stopping.Load() {
		if len(d.next) == 0 {
			// It is purged soon, but not before it is acknowledged: otherwise it couldn't be told
			// whether it is recorded.
			d.add(d.load.refusals.days() - 2 - rand.IntN(4))
		}
		logs := d.next[:min(len(d.next), largestArray)]
		left := d.load.postOnce(rand.IntN(len(d.services)), logs)
		d.next = slices.Concat(left, d.next[len(logs):])
		for _, log := range logs {
			assert.Empty(d.t, d.load.refusal(log), "a log of the diary")
		}
		if len(d.next) == 0 {
			d.acknowledged.Store(d.posted.Load())
		}
		if len(left) > 0 {
			time.Sleep(often)
		}
	}
}

// read exports and sums up the diary until the load is stopped.
func (d *diary) read() {
	const pause = 200 * time.Millisecond
	for ; !d.load.stopping.Load(); time.Sleep(pause) {
		if d.acknowledged.Load() > 0 {
			s := d.services[rand.IntN(len(d.services))].Load()
			d.export(s)
			d.sumUp(s)
		}
	}
}

// export makes an export, and checks it unless it was cut visibly.
func (d *diary) export(s *service) {
	least := d.acknowledged.Load()
	response, err := d.load.http.Get(s.base + "/v1/users/" + d.user.String() + "/export")
	if err != nil {
		return
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		assert.Equal(d.t, http.StatusServiceUnavailable, response.StatusCode, "of an export")
		d.refused.Add(1)
		return
	}
	text, err := readWithRest(response.Body)
	if err != nil {
		d.cut.Add(1)
		return
	}
	d.whole.Add(1)
	d.check(text, least)
}

func (d *diary) sumUp(s *service) {
	least := d.acknowledged.Load()
	got, err := s.call(http.MethodGet, "/v1/users/"+d.user.String()+"/summary?granularity=total", "")
	if err != nil || got.status == http.StatusServiceUnavailable {
		return
	}
	var summary struct {
		Words   int64 `json:"total_word_count"`
		Entries int64 `json:"entry_count"`
	}
	assert.NoError(d.t, json.Unmarshal(got.body, &summary), "%s", got.body)
	d.assertOfOneMoment("a summary", summary.Words, summary.Entries, least)
}

// assertOfOneMoment asserts that the diary was like that once, after it had so many entries
// at least.
func (d *diary) assertOfOneMoment(what string, words, entries, least int64) {
	assert.Equal(d.t, entries*(entries-1)/2, words, "the words of %s with %d entries", what, entries)
	assert.GreaterOrEqual(d.t, entries, least, "entries of %s that were acknowledged before", what)
	assert.LessOrEqual(d.t, entries, d.posted.Load(), "entries of %s that were posted", what)
}

func (d *diary) String() string {
	return fmt.Sprintf("%d logs in the diary; its exports: %d whole, with %d sealed days in all, %d visibly cut, %d refused",
		d.acknowledged.Load(), d.whole.Load(), d.sealedDays.Load(), d.cut.Load(), d.refused.Load())
}

// readWithRest reads everything, with a rest after the first bytes.
func readWithRest(from io.Reader) ([]byte, error) {
	const longest = time.Second / 2
	reader := bufio.NewReader(from)
	_, _ = reader.Peek(1)
	time.Sleep(rand.N(longest))
	return io.ReadAll(reader)
}

// exportLine is a line of an export.
type exportLine struct {
	Export    *exportContents
	SealedDay *struct {
		Words   int64 `json:"total_word_count"`
		Entries int64 `json:"entry_count"`
	} `json:"sealed_day"`
	LearningLog *struct {
		Words int64 `json:"word_count"`
	} `json:"learning_log"`
}

// exportContents is what the first line of an export says of the others.
type exportContents struct {
	UserID     uuid.UUID `json:"user_id"`
	SealedDays int64     `json:"sealed_days"`
	Logs       int64     `json:"learning_logs"`
}

// check checks an export that looks whole, of a diary that had at least so many entries.
func (d *diary) check(text []byte, least int64) {
	var said, found exportContents
	var words, entries int64
	for lines := json.NewDecoder(bytes.NewReader(text)); lines.More(); {
		var line exportLine
		if !assert.NoError(d.t, lines.Decode(&line), "an export that looks whole") {
			return
		}
		switch {
		case line.Export != nil:
			said, found.UserID = *line.Export, d.user
		case line.SealedDay != nil:
			found.SealedDays++
			words, entries = words+line.SealedDay.Words, entries+line.SealedDay.Entries
		case line.LearningLog != nil:
			found.Logs++
			words, entries = words+line.LearningLog.Words, entries+1
		}
	}
	assert.Equal(d.t, said, found, "an export that looks whole")
	assert.EqualValues(d.t, 1+found.SealedDays+found.Logs, bytes.Count(text, []byte(d.user.String())), "lines that are of the learner")
	d.assertOfOneMoment("an export", words, entries, least)
	d.sealedDays.Add(found.SealedDays)
}
