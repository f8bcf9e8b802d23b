package query_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/query"
	"learninglog/rollup"
)

// knownClock is what may be known of the clock of a learner at 2026-11-22T10:30:00Z, when it
// is the 23rd in Kiritimati and the 21st in Pago Pago.
type knownClock struct {
	name string
	// logs are the times that the learner's clock showed, in the order of recording, and
	// voided are those that were taken back.
	logs, voided []string
	// zone is the learner's, and service is the reader's.
	zone, service string
	today         string
}

func knownClocks() []knownClock {
	return []knownClock{
		{name: "the learner's zone", zone: "Pacific/Kiritimati", service: "UTC", today: "2026-11-23"},
		{name: "the learner's zone, behind UTC", zone: "Pacific/Pago_Pago", service: "UTC", today: "2026-11-21"},
		{
			name: "the learner's zone, not that of the latest log", zone: "Pacific/Pago_Pago", service: "UTC",
			logs: []string{"2026-11-22T08:00:00+14:00"}, today: "2026-11-21",
		},
		{
			name: "the offset of the latest log", service: "UTC",
			logs: []string{"2026-11-22T08:00:00+14:00"}, today: "2026-11-23",
		},
		{
			name: "the offset of the latest log, behind UTC", service: "UTC",
			logs: []string{"2026-11-20T08:00:00-11:00"}, today: "2026-11-21",
		},
		{
			name: "the offset of the latest log by its own time, not the one that was recorded last", service: "UTC",
			logs: []string{"2026-11-20T08:00:00-11:00", "2026-11-20T08:00:00+14:00"}, today: "2026-11-21",
		},
		{
			name: "not the offset of a log that was voided", service: "UTC",
			logs: []string{"2026-11-20T08:00:00-11:00"}, voided: []string{"2026-11-22T08:00:00+14:00"}, today: "2026-11-21",
		},
		{
			name: "the service's zone, as every log was voided", service: "Pacific/Pago_Pago",
			voided: []string{"2026-11-22T08:00:00+14:00"}, today: "2026-11-21",
		},
		{name: "the service's zone, as there is no log", service: "Pacific/Kiritimati", today: "2026-11-23"},
		{name: "UTC, where the service is", service: "UTC", today: "2026-11-22"},
	}
}

// arrange records the logs of a new learner, and returns the learner's clock.
func (k knownClock) arrange(t *testing.T) (*query.Reader, uuid.UUID, query.Clock) {
	t.Helper()
	pool, user := pgtest.Pool(t), uuid.New()
	for _, shown := range k.logs {
		post(t, pool, user, 1, shown)
	}
	for _, shown := range k.voided {
		void(t, pool, user, post(t, pool, user, 1, shown))
	}
	post(t, pool, uuid.New(), 1, "2026-11-22T21:00:00+12:00") // of somebody else
	clock := query.Clock{Now: instant("2026-11-22T10:30:00Z")}
	if k.zone != "" {
		clock.Zone = zone(t, k.zone)
	}
	return query.NewReader(pool, zone(t, k.service)), user, clock
}

func TestTodayIsToldByTheLearnersClock(t *testing.T) {
	t.Parallel()
	for _, known := range knownClocks() {
		t.Run(known.name, func(t *testing.T) {
			t.Parallel()
			reader, user, clock := known.arrange(t)

			summary, err := reader.Summary(context.Background(), query.SummaryRequest{
				UserID: user, Granularity: rollup.Day, Clock: clock,
			})
			require.NoError(t, err)
			streaks, err := reader.Streaks(context.Background(), user, clock, new(0))
			require.NoError(t, err)

			assert.Equal(t, known.today, summary.To.String(), "a summary ends today")
			assert.Equal(t, known.today, streaks.Today.String())
		})
	}
}

func TestClockKnowsItsZone(t *testing.T) {
	t.Parallel()
	for _, known := range knownClocks() {
		if known.zone != "" {
			continue // then there is nothing to find out
		}
		t.Run(known.name, func(t *testing.T) {
			t.Parallel()
			reader, user, clock := known.arrange(t)

			found, err := reader.Clock(context.Background(), user, clock.Now)

			require.NoError(t, err)
			assert.Equal(t, clock.Now, found.Now)
			assert.Equal(t, known.today, found.Today().String())
		})
	}
}

func ExampleClock_Today() {
	now := time.Date(2026, time.November, 22, 22, 0, 0, 0, time.UTC)
	tokyo := query.Clock{Now: now, Zone: rollup.Offset(9 * 60).Location()}
	fmt.Println(tokyo.Today())
	// Output: 2026-11-23
}
