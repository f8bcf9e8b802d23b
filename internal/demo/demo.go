// Package demo generates the logs of some demo learners, so that there is something
// to see.
package demo

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"learninglog/command"
	"learninglog/internal/zones"
	"learninglog/learning"
	"learninglog/rollup"
)

// Learner is a demo learner, with typical habits.
type Learner struct {
	ID uuid.UUID
	// Settings say what the learner is called, and whatever else the learner has set.
	Settings learning.Settings
	// Zone is where the learner's clock is, by its IANA name.
	Zone string

	days         int        // how many days ago the learner began
	weekdays     [7]float64 // the probability of learning, from Sunday on
	logs, words  float64    // averages: logs per day, and words per log
	growth       float64    // by how much words grow in a year
	pauses       []pause    // when the learner paused
	hour, spread float64    // of the day
}

// pause begins and ends so many days ago, both included.
type pause struct{ from, to int }

// Learners returns the demo learners, who are always the same.
func Learners() []Learner {
	id := func(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceURL, []byte("learninglog demo "+name)) }
	every := func(chance float64) [7]float64 {
		return [7]float64{chance, chance, chance, chance, chance, chance, chance}
	}
	return []Learner{
		{ // a little every day, with a long streak
			ID: id("steady"), Zone: "Asia/Tokyo",
			Settings: learning.Settings{DisplayName: "Mia, every morning", Goal: learning.Goal{Words: 25, Per: rollup.Day}, FreezeDays: 1},
			days:     365, weekdays: every(0.995), logs: 2, words: 12, growth: 0.3, hour: 7, spread: 0.7,
		},
		{ // on the way to work, never at weekends
			ID: id("commuter"), Zone: "Europe/Berlin",
			Settings: learning.Settings{DisplayName: "Jonas, on the train", Goal: learning.Goal{Words: 150, Per: rollup.Week}, FreezeDays: 2},
			days:     350, weekdays: [7]float64{0.03, 0.9, 0.9, 0.92, 0.9, 0.85, 0.05}, logs: 2, words: 18,
			pauses: []pause{{150, 130}}, hour: 8, spread: 4,
		},
		{ // much, at weekends
			ID: id("weekend"), Zone: "America/Los_Angeles",
			Settings: learning.Settings{DisplayName: "Ava, at weekends", Goal: learning.Goal{Words: 300, Per: rollup.Week}, FreezeDays: 5},
			days:     300, weekdays: [7]float64{0.85, 0.05, 0.05, 0.05, 0.05, 0.1, 0.9}, logs: 6, words: 25, hour: 14, spread: 2.5,
		},
		{ // more and more until an exam, then nothing
			ID: id("exam"), Zone: "Asia/Kolkata",
			Settings: learning.Settings{DisplayName: "Arjun, before an exam", Goal: learning.Goal{Words: 150, Per: rollup.Day}},
			days:     220, weekdays: every(0.8), logs: 5, words: 20, growth: 3, pauses: []pause{{30, 0}}, hour: 19, spread: 2,
		},
		{ // gave up, and came back
			ID: id("returned"), Zone: "Europe/London",
			Settings: learning.Settings{DisplayName: "Emma, back again", Goal: learning.Goal{Words: 100, Per: rollup.Week}, FreezeDays: 1},
			days:     360, weekdays: every(0.6), logs: 3, words: 10, pauses: []pause{{280, 60}}, hour: 21, spread: 1,
		},
		{ // began last week
			ID: id("new"), Zone: "America/Sao_Paulo",
			Settings: learning.Settings{DisplayName: "Pedro, new here"},
			days:     6, weekdays: every(0.9), logs: 4, words: 8, hour: 17, spread: 3,
		},
	}
}

// recorder is the part of a command.Recorder that Fill uses.
type recorder interface {
	ChangeSettings(ctx context.Context, user uuid.UUID, settings learning.Settings) error
	RecordPatiently(ctx context.Context, logs []command.Log) []command.Outcome
}

// Fill records a year of the learners' logs up to now, through the recorder like all
// other logs, and sets what they have set. It returns the number of logs.
func Fill(ctx context.Context, recorder recorder, now time.Time) (logs int, err error) {
	const atOnce = 5_000
	all, err := invent(now)
	if err != nil {
		return 0, err
	}
	for _, learner := range Learners() {
		if err := recorder.ChangeSettings(ctx, learner.ID, learner.Settings); err != nil {
			return 0, fmt.Errorf("the settings of a made-up learner: %w", err)
		}
	}
	for some := range slices.Chunk(all, atOnce) {
		for i, outcome := range recorder.RecordPatiently(ctx, some) {
			if outcome.Status != command.Recorded {
				return 0, errors.Join(fmt.Errorf("a made-up log, %s, is %s", some[i].RequestID, outcome.Status), outcome.Err)
			}
		}
	}
	return len(all), nil
}

// invent returns the logs of all learners. They are the same within a day, and
// different on the next.
func invent(now time.Time) (logs []command.Log, err error) {
	known, err := zones.Open()
	if err != nil {
		return nil, err
	}
	for _, learner := range Learners() {
		zone, err := known.Load(learner.Zone)
		if err != nil {
			return nil, fmt.Errorf("the zone of a made-up learner %w", err)
		}
		local := now.In(zone)
		random := rand.New(rand.NewPCG(uint64(rollup.DateOf(local)), binary.BigEndian.Uint64(learner.ID[:]))) //nolint:gosec // any numbers will do
		for ago := learner.days; ago >= 0; ago-- {
			logs = append(logs, learner.day(random, local, ago)...)
		}
	}
	return logs, nil
}

// day returns the logs of a learner on one day, by the clock that shows now.
func (l Learner) day(random *rand.Rand, now time.Time, ago int) (logs []command.Log) {
	year, month, day := now.Date()
	noon := time.Date(year, month, day-ago, 12, 0, 0, 0, now.Location())
	learns := random.Float64() < l.weekdays[noon.Weekday()]
	for _, pause := range l.pauses {
		learns = learns && (ago > pause.from || ago < pause.to)
	}
	if !learns {
		return nil
	}
	const daysOfYear = 365
	grown := 1 + l.growth*float64(l.days-ago)/daysOfYear
	for range 1 + int(random.ExpFloat64()*(l.logs-1)*grown+0.5) {
		at := noon.Add(time.Duration((l.hour - 12 + random.NormFloat64()*l.spread) * float64(time.Hour)))
		if at.Day() != noon.Day() || at.After(now) {
			continue
		}
		words := l.words * grown * math.Exp(random.NormFloat64()/2)
		logs = append(logs, command.Log{
			RequestID: newID(random), UserID: l.ID, WordCount: max(1, int(words)),
			Timestamp: at.Truncate(time.Second), Zone: at.Location(),
		})
	}
	return logs
}

func newID(random *rand.Rand) uuid.UUID {
	id, err := uuid.NewRandomFromReader(reader{random})
	if err != nil {
		panic(err) // the reader never ends
	}
	return id
}

// reader is an io.Reader of random bytes.
type reader struct{ random *rand.Rand }

func (r reader) Read(into []byte) (int, error) {
	for i := range into {
		into[i] = byte(r.random.Uint32()) //nolint:gosec // the lowest byte
	}
	return len(into), nil
}
