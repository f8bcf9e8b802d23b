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

// streak is a streak within November 2026.
type streak struct {
	days        int
	first, last string // days of the month
}

func inNovember(s query.Streak) streak {
	if s == (query.Streak{}) {
		return streak{}
	}
	return streak{s.Days, s.First.Time().Format("02"), s.Last.Time().Format("02")}
}

func TestStreaks(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	reader := newReader(pool)
	for name, test := range map[string]struct {
		days             []int // of November 2026; today is the 22nd
		allowedGap       int
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
		"only tomorrow":              {days: []int{23}},

		"a day without a log ends it": {
			days: []int{17, 18, 20, 21}, current: streak{2, "20", "21"}, longest: streak{2, "20", "21"},
		},
		"a day may be missing, but isn't counted": {
			days: []int{17, 18, 20, 22}, allowedGap: 1, current: streak{4, "17", "22"}, longest: streak{4, "17", "22"},
		},
		"two days in a row are too many if one may be missing": {
			days: []int{16, 17, 18, 21, 22}, allowedGap: 1, current: streak{2, "21", "22"}, longest: streak{3, "16", "18"},
		},
		"two days in a row may be missing": {
			days: []int{15, 18, 21, 22}, allowedGap: 2, current: streak{4, "15", "22"}, longest: streak{4, "15", "22"},
		},
		"three days in a row are too many if two may be missing": {
			days: []int{17, 21, 22}, allowedGap: 2, current: streak{2, "21", "22"}, longest: streak{2, "21", "22"},
		},
		"one day may be missing before today, which isn't over": {
			days: []int{19, 20}, allowedGap: 1, current: streak{2, "19", "20"}, longest: streak{2, "19", "20"},
		},
		"two days are missing before today, and one may": {
			days: []int{18, 19}, allowedGap: 1, longest: streak{2, "18", "19"},
		},
		"two days may be missing before today": {
			days: []int{18, 19}, allowedGap: 2, current: streak{2, "18", "19"}, longest: streak{2, "18", "19"},
		},
		"three days are missing before today, and two may": {
			days: []int{17, 18}, allowedGap: 2, longest: streak{2, "17", "18"},
		},
		"tomorrow doesn't bridge a gap": {
			days: []int{18, 23}, allowedGap: 2, longest: streak{1, "18", "18"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user, active := uuid.New(), make(map[int]bool)
			for _, day := range test.days {
				post(t, pool, user, 10, fmt.Sprintf("2026-11-%02dT08:00:00Z", day))
				if day <= 22 {
					active[day] = true
				}
			}
			clock := query.Clock{Now: instant("2026-11-22T23:59:59Z")}

			streaks, err := reader.Streaks(context.Background(), user, clock, new(test.allowedGap))

			require.NoError(t, err)
			assert.Equal(t, date("2026-11-22"), streaks.Today)
			assert.Equal(t, test.current, inNovember(streaks.Current))
			assert.Equal(t, test.longest, inNovember(streaks.Longest))
			assert.Equal(t, len(active), streaks.ActiveDays)
			if len(active) == 0 {
				assert.Nil(t, streaks.LastDay)
				return
			}
			require.NotNil(t, streaks.LastDay)
			assert.True(t, active[streaks.LastDay.Time().Day()])
			assert.False(t, active[streaks.LastDay.Time().Day()+1])
		})
	}
}

// Whether yesterday was missed is known only where the learner is.
func TestTodayOnTheLearnersClockDecidesWhetherAStreakIsAlive(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	reader := newReader(pool)
	for name, test := range map[string]struct {
		offset, zone, now string
		alive, ended      string // the last day of a streak that is alive, or that has ended
	}{
		"in Tokyo at 7 in the morning, when UTC still has yesterday": {
			offset: "+09:00", zone: "Asia/Tokyo", now: "2026-11-23T07:00:00+09:00", alive: "2026-11-22", ended: "2026-11-21",
		},
		"in San Francisco at 9 in the evening, when UTC has tomorrow": {
			offset: "-08:00", zone: "America/Los_Angeles", now: "2026-11-22T21:00:00-08:00", alive: "2026-11-21", ended: "2026-11-20",
		},
	} {
		for _, clock := range []query.Clock{
			{Now: instant(test.now), Zone: zone(t, test.zone)},
			{Now: instant(test.now)}, // the latest log tells
		} {
			t.Run(fmt.Sprintf("%s, zone known: %t", name, clock.Zone != nil), func(t *testing.T) {
				t.Parallel()
				alive, ended := uuid.New(), uuid.New()
				post(t, pool, alive, 1, test.alive+"T22:00:00"+test.offset)
				post(t, pool, ended, 1, test.ended+"T22:00:00"+test.offset)

				streaks, err := reader.Streaks(context.Background(), alive, clock, new(0))
				require.NoError(t, err)
				assert.Equal(t, 1, streaks.Current.Days)
				assert.Equal(t, test.now[:len("2026-11-22")], streaks.Today.String())

				streaks, err = reader.Streaks(context.Background(), ended, clock, new(0))
				require.NoError(t, err)
				assert.Zero(t, streaks.Current)
				assert.Equal(t, 1, streaks.Longest.Days)
			})
		}
	}
}

// The dates of logs are those of the clocks of their time, whichever clock the learner has
// now.
func TestStreaksOfALearnerWhoMoves(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	reader := newReader(pool)
	for name, test := range map[string]struct {
		logs       []string
		now        string
		allowedGap int
		want       streak
		active     int
	}{
		"to the east, where a part of a day is missing": {
			logs: []string{"2026-11-20T21:00:00-08:00", "2026-11-21T08:00:00-08:00", "2026-11-22T23:00:00+09:00"},
			now:  "2026-11-22T14:30:00Z", want: streak{3, "20", "22"}, active: 3,
		},
		"to the west, where a date comes twice": {
			logs: []string{"2026-11-21T08:00:00+09:00", "2026-11-22T08:00:00+09:00", "2026-11-22T08:00:00-10:00"},
			now:  "2026-11-23T09:00:00Z", want: streak{2, "21", "22"}, active: 2,
		},
		"across the date line, without a log on the date that was skipped": {
			logs: []string{"2026-11-20T22:00:00-10:00", "2026-11-22T08:00:00+14:00"},
			now:  "2026-11-21T20:00:00Z", want: streak{1, "22", "22"}, active: 2,
		},
		"across the date line, where one day may be missing": {
			logs: []string{"2026-11-20T22:00:00-10:00", "2026-11-22T08:00:00+14:00"},
			now:  "2026-11-21T20:00:00Z", allowedGap: 1, want: streak{2, "20", "22"}, active: 2,
		},
		"back across the date line, where tomorrow has a log and doesn't count": {
			logs: []string{"2026-11-23T00:15:00+14:00", "2026-11-21T23:20:00-11:00"},
			now:  "2026-11-22T10:30:00Z", want: streak{1, "21", "21"}, active: 1,
		},
		"through a change of the clocks": {
			logs: []string{"2026-10-31T23:59:00-07:00", "2026-11-01T23:59:00-08:00", "2026-11-02T00:00:00-08:00"},
			now:  "2026-11-03T06:00:00Z", want: streak{3, "31", "02"}, active: 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user := uuid.New()
			for _, shown := range test.logs {
				post(t, pool, user, 1, shown)
			}

			streaks, err := reader.Streaks(context.Background(), user, query.Clock{Now: instant(test.now)}, new(test.allowedGap))

			require.NoError(t, err)
			assert.Equal(t, test.want, inNovember(streaks.Current))
			assert.Equal(t, test.active, streaks.ActiveDays)
		})
	}
}

func TestADayWhoseLogsWereVoidedHasNoLog(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	post(t, pool, user, 1, "2026-11-21T08:00:00Z")
	void(t, pool, user, post(t, pool, user, 1, "2026-11-22T08:00:00Z"))

	streaks, err := newReader(pool).Streaks(context.Background(), user, query.Clock{Now: instant("2026-11-22T23:00:00Z")}, new(0))

	require.NoError(t, err)
	assert.Equal(t, rollup.NewDate(2026, 11, 21), *streaks.LastDay)
	assert.Equal(t, 1, streaks.ActiveDays)
}

func TestWithoutAnAllowedGapItIsTheLearnersOwn(t *testing.T) {
	t.Parallel()
	pool, user, other := pgtest.Pool(t), uuid.New(), uuid.New()
	reader := newReader(pool)
	clock := query.Clock{Now: instant("2026-11-22T18:00:00Z"), Zone: time.UTC}
	_, err := pool.Exec(t.Context(), `INSERT INTO learning_log_settings (user_id, freeze_days) VALUES ($1, 1), ($2, 7)`, user, other)
	require.NoError(t, err)
	none, err := reader.Streaks(t.Context(), user, clock, nil)
	require.NoError(t, err)
	assert.Equal(t, query.Streaks{Today: none.Today, AllowedGap: 1}, none, "also where there is no log")
	for _, day := range []string{"2026-11-15", "2026-11-18", "2026-11-20"} {
		post(t, pool, user, 1, day+"T08:00:00Z")
	}
	for _, test := range []struct {
		allowed    *int
		days, gaps int
	}{{nil, 2, 1}, {new(0), 0, 0}, {new(2), 3, 2}} {
		streaks, err := reader.Streaks(t.Context(), user, clock, test.allowed)

		require.NoError(t, err)
		assert.Equal(t, test.days, streaks.Current.Days)
		assert.Equal(t, test.gaps, streaks.AllowedGap)
	}
}
