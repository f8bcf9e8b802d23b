package query_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/query"
)

func TestStreaks(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	reader := query.NewReader(pool)
	type streak struct {
		days        int
		first, last string
	}
	for name, test := range map[string]struct {
		days             []int // of November 2026; today is the 22nd
		current, longest streak
	}{
		"no log": {},
		"today":  {days: []int{22}, current: streak{1, "22", "22"}, longest: streak{1, "22", "22"}},
		"until yesterday, as today isn't over": {
			days: []int{19, 20, 21}, current: streak{3, "19", "21"}, longest: streak{3, "19", "21"},
		},
		"ended the day before": {days: []int{19, 20}, longest: streak{2, "19", "20"}},
		"several logs a day":   {days: []int{21, 21, 22, 22}, current: streak{2, "21", "22"}, longest: streak{2, "21", "22"}},
		"the longest was earlier": {
			days: []int{1, 2, 3, 4, 6, 21, 22}, current: streak{2, "21", "22"}, longest: streak{4, "01", "04"},
		},
		"of two that are as long, the latest": {
			days: []int{1, 2, 5, 6}, longest: streak{2, "05", "06"},
		},
		"tomorrow doesn't count yet": {days: []int{22, 23}, current: streak{1, "22", "22"}, longest: streak{1, "22", "22"}},
	} {
		user, active := uuid.New(), make(map[int]bool)
		for _, day := range test.days {
			post(t, pool, user, 10, fmt.Sprintf("2026-11-%02dT08:00:00Z", day))
			active[day] = day <= 22
		}
		post(t, pool, uuid.New(), 10, "2026-11-21T08:00:00Z")

		streaks, err := reader.Streaks(context.Background(), user, instant("2026-11-22T23:59:59Z"), time.UTC)

		require.NoError(t, err)
		readable := func(s query.Streak) streak {
			if s.Days == 0 {
				require.Zero(t, s)
				return streak{}
			}
			return streak{s.Days, s.First.Format("02"), s.Last.Format("02")}
		}
		assert.Equal(t, test.current, readable(streaks.Current), name)
		assert.Equal(t, test.longest, readable(streaks.Longest), name)
		want := 0
		for _, isActive := range active {
			if isActive {
				want++
			}
		}
		assert.Equal(t, want, streaks.ActiveDays, name)
		assert.Equal(t, want > 0, streaks.LastDay != nil, name)
	}
}

// Neither a date that the clocks skipped nor a day of 23 hours is a gap.
func TestStreaksFollowTheCalendarOfTheZone(t *testing.T) {
	t.Parallel()
	for zoneName, test := range map[string]struct {
		logs []string
		now  string
		want int
	}{
		"Pacific/Apia": { // had no 30 December 2011
			logs: []string{"2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00", "2012-01-01T12:00:00+14:00"},
			now:  "2012-01-01T13:00:00+14:00", want: 3,
		},
		"Europe/Berlin": {
			logs: []string{"2026-03-28T00:30:00+01:00", "2026-03-29T23:30:00+02:00", "2026-03-30T00:30:00+02:00"},
			now:  "2026-03-30T13:00:00+02:00", want: 3,
		},
	} {
		zone, err := time.LoadLocation(zoneName)
		require.NoError(t, err)
		pool, user := pgtest.Pool(t), uuid.New()
		recorder := command.NewRecorder(pool, command.Config{Zone: zone})
		for _, at := range test.logs {
			log := command.Log{RequestID: uuid.New(), UserID: user, WordCount: 1, Timestamp: instant(at)}
			require.Equal(t, command.Recorded, recorder.Record(context.Background(), []command.Log{log})[0].Status)
		}

		streaks, err := query.NewReader(pool).Streaks(context.Background(), user, instant(test.now), zone)

		require.NoError(t, err)
		assert.Equal(t, test.want, streaks.Current.Days, zoneName)
	}
}
