package dashboard //nolint:testpackage // what is said is made of texts that no address leads to by itself

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/language"
	"learninglog/learning"
	"learninglog/query"
	"learninglog/rollup"
)

// november returns the date of a day of November 2026. The 26th is a Thursday.
func november(day int) rollup.Date { return rollup.NewDate(2026, time.November, day) }

// learned returns days of November 2026, with ten words each in two logs.
func learned(days ...int) (all query.Days) {
	for _, day := range days {
		all = append(all, query.PeriodSummary{Period: november(day), Sums: rollup.Sums{TotalWordCount: 10, EntryCount: 2}})
	}
	return all
}

// onThe26th returns what a learner is told on 26 November, who may miss so many days.
func onThe26th(t *testing.T, days query.Days, goal learning.Goal, freezeDays int) today {
	t.Helper()
	shown, err := newToday(language.English(), november(26), learning.Settings{Goal: goal, FreezeDays: freezeDays}, days,
		days.Streaks(november(26), freezeDays))
	require.NoError(t, err)
	return shown
}

func TestALearnerIsToldHowTheStreakStands(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		days             []int
		freezeDays       int
		headline, detail string
		isDone           bool
	}{
		"no day":               {headline: "No day with a log yet"},
		"the first day":        {days: []int{26}, headline: "The first day is done", detail: "Come back tomorrow to make it two.", isDone: true},
		"yesterday alone":      {days: []int{25}, headline: "Learn today too, to make it two days", detail: "No streak was longer."},
		"until yesterday":      {days: []int{23, 24, 25}, headline: "Learn today to keep 3 days", detail: "No streak was longer."},
		"today is done":        {days: []int{24, 25, 26}, headline: "3 days in a row", detail: "No streak was longer.", isDone: true},
		"shorter than another": {days: []int{1, 2, 3, 4, 25, 26}, headline: "2 days in a row", detail: "The record is 4 days, until 4 November 2026.", isDone: true},
		"it is over": {
			days: []int{1, 2, 20}, headline: "Begin a new streak today",
			detail: "The last day was 20 November 2026. The record is 2 days, until 2 November 2026.",
		},
		"each day by itself": {
			days: []int{1, 20}, headline: "Begin a new streak today",
			detail: "The last day was 20 November 2026. The record is 1 day, on 20 November 2026.",
		},
		"a day may be missed":    {days: []int{24, 25}, freezeDays: 1, headline: "Learn by Friday, 27 November 2026 to keep 2 days", detail: "No streak was longer."},
		"no more may be missed":  {days: []int{23, 24}, freezeDays: 1, headline: "Learn today to keep 2 days", detail: "No streak was longer."},
		"too many were missed":   {days: []int{22, 23}, freezeDays: 1, headline: "Begin a new streak today", detail: "The last day was 23 November 2026. The record is 2 days, until 23 November 2026."},
		"tomorrow isn't counted": {days: []int{25, 27}, headline: "Learn today too, to make it two days", detail: "No streak was longer."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shown := onThe26th(t, learned(test.days...), learning.Goal{}, test.freezeDays)

			assert.Equal(t, test.headline, shown.Headline)
			assert.Equal(t, test.detail, shown.Detail)
			assert.Equal(t, test.isDone, shown.IsDone)
		})
	}
}

func TestThisWeekIsComparedWithTheSameDaysOfLastWeek(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		days     []int
		words    string
		compared string
	}{
		"more":               {[]int{16, 23, 24}, "20 words this week", "10 more than on the same days of last week"},
		"fewer":              {[]int{16, 17, 23}, "10 words this week", "10 fewer than on the same days of last week"},
		"as many":            {[]int{19, 26}, "10 words this week", "As many as on the same days of last week"},
		"what came later":    {[]int{20, 21, 22, 23}, "10 words this week", ""}, // from Friday on
		"nothing last week":  {[]int{23}, "10 words this week", ""},
		"nothing this week":  {[]int{16}, "0 words this week", "10 fewer than on the same days of last week"},
		"nothing whatsoever": {nil, "0 words this week", ""},
	} {
		shown := onThe26th(t, learned(test.days...), learning.Goal{}, 0)
		assert.Equal(t, test.words, shown.Words, name)
		assert.Equal(t, test.compared, shown.Compared, name)
	}
}

func TestTheWeekShowsWhichDaysWereLearnedOn(t *testing.T) {
	t.Parallel()
	week := onThe26th(t, learned(23, 25), learning.Goal{}, 0).Week

	require.Len(t, week, 7)
	var classes []string
	for _, day := range week {
		classes = append(classes, day.Class)
	}
	assert.Equal(t, []string{"learned", "missed", "learned", "missed now", "to-come", "to-come", "to-come"}, classes)
	assert.Equal(t, dayOfWeek{Name: "Mo", Title: "Monday, 23 November 2026: 10 words in 2 logs, 5.0 per log", Class: "learned"}, week[0])
	assert.Equal(t, "Tuesday, 24 November 2026: no log", week[1].Title)
	assert.Equal(t, "Friday, 27 November 2026", week[4].Title, "nobody can have learned then")
}

func TestTheRingIsOfTheGoal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		goal  learning.Goal
		label string
	}{
		"no goal":   {learning.Goal{}, "10 words today"},
		"of a day":  {learning.Goal{Words: 1_200, Per: rollup.Day}, "10 words today of 1,200"},
		"of a week": {learning.Goal{Words: 50, Per: rollup.Week}, "30 words this week of 50"},
	} {
		shown := onThe26th(t, learned(20, 23, 24, 26), test.goal, 0)
		assert.Contains(t, string(shown.Ring), `aria-label="`+test.label+`"`, name)
		assert.Equal(t, map[bool]string{false: "30 words this week", true: "10 words today"}[test.goal.Per == rollup.Week], shown.Words, "the other one is beside it")
	}
}

func TestMilestones(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{"100 words to 100 (0 so far)"}, onThe26th(t, nil, learning.Goal{}, 0).Milestones)
	assert.Equal(t, []string{"60 words to 100 (40 so far)", "2 more days to 3 days in a row"}, onThe26th(t, learned(1, 2, 3, 26), learning.Goal{}, 0).Milestones)
	assert.Equal(t, []string{"70 words to 100 (30 so far)", "Reached: 3 days in a row"}, onThe26th(t, learned(24, 25, 26), learning.Goal{}, 0).Milestones)

	for words, want := range map[int64]int64{0: 100, 99: 100, 100: 250, 250: 500, 500: 1_000, 1_000: 2_500, 999_999: 1_000_000, 3e12: 5e12} {
		next, ok := nextMilestone(words)
		assert.True(t, ok)
		assert.Equal(t, want, next)
	}
	_, ok := nextMilestone(1 << 62)
	assert.False(t, ok, "nobody gets there")
}

func TestARangeIsComparedWithAsMuchOfTheOneBefore(t *testing.T) {
	t.Parallel()
	day := func(month time.Month, dayOfMonth int, words int64) query.PeriodSummary {
		return query.PeriodSummary{Period: rollup.NewDate(2026, month, dayOfMonth), Sums: rollup.Sums{TotalWordCount: words, EntryCount: 1}}
	}
	for name, test := range map[string]struct {
		address string // on 22 November, a Sunday
		days    query.Days
		want    string
	}{
		"a month that isn't over": {
			"by=month&from=2026-11-01&to=2026-11-30",
			query.Days{day(time.October, 22, 100), day(time.October, 23, 900), day(time.November, 1, 150)},
			"+50% against 1 October 2026 to 22 October 2026",
		},
		"a month that is over": {
			"by=month&from=2026-10-01&to=2026-10-31",
			query.Days{day(time.September, 30, 100), day(time.October, 31, 50)},
			"−50% against 1 September 2026 to 30 September 2026",
		},
		"a week on its last day": {
			"by=week&from=2026-11-16&to=2026-11-22",
			query.Days{day(time.November, 15, 100), day(time.November, 22, 100)},
			"0% against 9 November 2026 to 15 November 2026",
		},
		"days": {
			"by=day&from=2026-11-20&to=2026-11-22",
			query.Days{day(time.November, 13, 10), day(time.November, 20, 30)},
			"+200% against 13 November 2026 to 15 November 2026",
		},
		"many times as much": {
			"by=day&from=2026-11-20&to=2026-11-22",
			query.Days{day(time.November, 13, 10), day(time.November, 20, 943)},
			"10 words before that, 13 November 2026 to 15 November 2026",
		},
		"days of which some are to come": {
			"by=day&from=2026-11-20&to=2026-12-19",
			query.Days{day(time.October, 16, 10), day(time.October, 18, 10), day(time.October, 19, 90), day(time.November, 20, 30)},
			"+50% against 16 October 2026 to 18 October 2026",
		},
		"months of which one is to come": {
			"by=month&from=2026-11-01&to=2026-12-31",
			query.Days{day(time.September, 22, 10), day(time.September, 23, 90), day(time.October, 5, 90), day(time.November, 1, 20)},
			"+100% against 1 September 2026 to 22 September 2026",
		},
		"all to come":    {"by=day&from=2026-11-23&to=2026-11-29", query.Days{day(time.November, 20, 30)}, ""},
		"nothing before": {"by=day&from=2026-11-20&to=2026-11-22", query.Days{day(time.November, 20, 943)}, ""},
	} {
		v, err := viewOf(t, test.address)
		require.NoError(t, err)
		summary, err := test.days.Summary(query.SummaryRequest{Granularity: v.By, From: new(v.first()), To: new(v.last()), Compare: true})
		require.NoError(t, err)

		said, err := newChange(language.English(), v, test.days, summary)

		require.NoError(t, err)
		assert.Equal(t, test.want, said, name)
	}
}
