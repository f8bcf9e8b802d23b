package dashboard

import (
	"html/template"
	"slices"

	"learninglog/internal/chart"
	"learninglog/internal/language"
	"learninglog/learning"
	"learninglog/query"
	"learninglog/rollup"
)

// today is how a learner is doing on this day and in this week, in words.
type today struct {
	// Ring shows how much of the goal is reached, or the words of today where there is none.
	Ring template.HTML
	// Headline says what the learner should know first, and Detail something about it.
	Headline, Detail string
	// IsDone says that the streak goes on today.
	IsDone bool
	// Week are the days of this week, from Monday. Words are those of this week, or of today if
	// the ring shows the week's. Compared says how many more words there are in this week than
	// on the same days of last week, or is empty.
	Week            []dayOfWeek
	Words, Compared string
	// Milestones are what was reached, and what comes next.
	Milestones []string
}

// dayOfWeek is a day of this week. Class says whether the learner learned on it.
type dayOfWeek struct{ Name, Title, Class string }

// newToday returns how a learner is doing, if these are the learner's days.
func newToday(l *language.Locale, date rollup.Date, settings learning.Settings, days query.Days, streaks query.Streaks) (today, error) {
	monday := rollup.Week.Start(date)
	words := func(from, to rollup.Date) (int64, error) {
		sums, err := days.Between(from, to).Totals()
		return sums.TotalWordCount, err
	}
	ofToday, err := words(date, date)
	if err != nil {
		return today{}, err
	}
	ofWeek, err := words(monday, date)
	if err != nil {
		return today{}, err
	}
	ofLastWeek, err := words(rollup.Week.Add(date, -1), date-weekdays)
	if err != nil {
		return today{}, err
	}
	all, err := days.Totals()
	if err != nil {
		return today{}, err
	}
	shown := today{
		Ring:       template.HTML(chart.Ring(newRing(l, settings.Goal, ofToday, ofWeek))), //nolint:gosec // it escapes what it writes
		IsDone:     len(days.Between(date, date)) > 0,
		Week:       newWeek(l, monday, date, days),
		Words:      l.Text("today.in_week", "count", ofWeek),
		Milestones: milestones(l, all.TotalWordCount, streaks),
	}
	if ofLastWeek > 0 {
		shown.Compared = compared(l, ofWeek-ofLastWeek)
	}
	if settings.Goal.Per == rollup.Week {
		shown.Words = l.Text("today.in_day", "count", ofToday)
	}
	shown.Headline, shown.Detail = aboutStreak(l, streaks, shown.IsDone)
	return shown, nil
}

// newRing returns what the ring shows: the words of the day or the week of a goal, or the
// words of today where there is none.
func newRing(l *language.Locale, goal learning.Goal, ofToday, ofWeek int64) chart.Progress {
	ring := chart.Progress{Done: ofToday, Goal: goal.Words, Number: l.Number(ofToday), Caption: l.Text("today.words", "count", ofToday)}
	if goal.Per == rollup.Week {
		ring.Done, ring.Number, ring.Caption = ofWeek, l.Number(ofWeek), l.Text("today.words_this_week", "count", ofWeek)
	}
	if goal.Words > 0 {
		ring.Of = l.Text("today.of_goal", "goal", l.Number(goal.Words))
	}
	return ring
}

func newWeek(l *language.Locale, monday, date rollup.Date, days query.Days) []dayOfWeek {
	week := make([]dayOfWeek, weekdays)
	for i := range week {
		day := monday + rollup.Date(i)
		found := days.Between(day, day)
		is := &week[i]
		is.Name = l.ShortWeekday(day.Time().Weekday())
		switch {
		case len(found) > 0:
			is.Class, is.Title = "learned", chart.DescribePeriod(l, rollup.Day, found[0])
		case day > date:
			is.Class, is.Title = "to-come", l.FullDate(day)
		default:
			is.Class, is.Title = "missed", chart.DescribePeriod(l, rollup.Day, query.PeriodSummary{Period: day})
		}
		if day == date {
			is.Class += " now"
		}
	}
	return week
}

// compared says how many more words there are than on the same days of last week.
func compared(l *language.Locale, more int64) string {
	switch {
	case more > 0:
		return l.Text("today.more_than_last_week", "words", more)
	case more < 0:
		return l.Text("today.fewer_than_last_week", "words", -more)
	default:
		return l.Text("today.as_last_week")
	}
}

// aboutStreak says how the streak stands, what keeps it, or when it ended.
func aboutStreak(l *language.Locale, streaks query.Streaks, isDone bool) (headline, detail string) {
	current, longest := streaks.Current, streaks.Longest
	record := func() string {
		if longest.Days > current.Days {
			return l.Text("streak.record", "days", longest.Days, "date", longest.Last)
		}
		return l.Text("streak.is_record")
	}
	switch {
	case current.Days > 0 && isDone:
		if longest.Days == 1 {
			return l.Text("streak.first_day"), l.Text("streak.come_back")
		}
		return l.Text("streak.days_in_a_row", "days", current.Days), record()
	case current.Days > 0:
		last := current.Last + rollup.Date(streaks.AllowedGap) + 1 //nolint:gosec // there are few
		if last > streaks.Today {
			return l.Text("streak.learn_by", "days", current.Days, "date", l.FullDate(last)), record()
		}
		return l.Text("streak.learn_today", "days", current.Days), record()
	case streaks.LastDay != nil:
		return l.Text("streak.begin_again"),
			l.Text("streak.was_last", "date", *streaks.LastDay) + " " + l.Text("streak.record", "days", longest.Days, "date", longest.Last)
	default:
		return l.Text("streak.none"), ""
	}
}

// milestones says which of the milestones come next.
func milestones(l *language.Locale, words int64, streaks query.Streaks) []string {
	var said []string
	if next, ok := nextMilestone(words); ok {
		said = append(said, l.Text("milestone.words", "left", next-words, "words", l.Number(words), "next", l.Number(next)))
	}
	if current := streaks.Current.Days; current > 0 {
		days := []int{3, 7, 14, 30, 50, 100, 150, 200, 250, 300, 365, 500, 750, 1_000, 1_500, 2_000, 2_500, 3_000, 3_650}
		if i, reached := slices.BinarySearch(days, current); reached {
			said = append(said, l.Text("milestone.days_reached", "days", current))
		} else if i < len(days) {
			said = append(said, l.Text("milestone.days", "left", days[i]-current, "next", l.Number(int64(days[i]))))
		}
	}
	return said
}

// nextMilestone returns the next of the numbers 100, 250, 500, 1,000, 2,500 and so on.
func nextMilestone(words int64) (next int64, ok bool) {
	const most = 1_000_000_000_000
	for power := int64(100); power <= most; power *= 10 {
		for _, quarters := range []int64{4, 10, 20} {
			if next = power / 4 * quarters; next > words {
				return next, true
			}
		}
	}
	return 0, false
}

// newChange says how the words of a range compare with those of the range before: by how many
// per cent, or by their number where per cents mean little. Of a week or month that isn't over,
// it compares as much of both. It is empty if nothing was learned before.
func newChange(l *language.Locale, v view, days query.Days, summary query.Summary) (string, error) {
	if summary.Before == nil {
		return "", nil
	}
	first, last := summary.Before.From, v.By.Next(summary.Before.To)-1
	if v.today < v.first() {
		return "", nil
	}
	if v.today < v.last() {
		last = sameDayBefore(v, summary)
	}
	before, err := days.Between(first, last).Totals()
	if err != nil || before.EntryCount == 0 {
		return "", err
	}
	const most = 200 // per cent
	percent := query.Change(before, summary.Totals)
	if percent == nil || *percent > most {
		return l.Text("change.words", "words", before.TotalWordCount, "range", rangeName(l, first, last)), nil
	}
	return l.Text("change.percent", "percent", l.Percent(*percent), "range", rangeName(l, first, last)), nil
}

// sameDayBefore returns the date in the range before that is what today is in the range: as far
// into its period.
func sameDayBefore(v view, summary query.Summary) rollup.Date {
	back := -len(summary.Periods)
	if v.By == rollup.Day {
		back = int(summary.Before.From - summary.From) // by whole weeks
	}
	period := v.By.Start(v.today)
	before := v.By.Add(period, back)
	return min(before+(v.today-period), v.By.Next(before)-1)
}
