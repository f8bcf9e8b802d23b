package dashboard

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"time"

	"learninglog/internal/chart"
	"learninglog/internal/metrics"
)

// trend is a figure of the last minute, and how it came about within the last hour.
type trend struct {
	Name, Now, Note string
	// Wrong says that the figure should be 0, and isn't.
	Wrong bool
	Chart template.HTML
}

// trends are those of the rates of the minutes of the last hour, the latest last, of which
// there is at least one.
func trends(minutes []metrics.Rates) []trend {
	last := minutes[len(minutes)-1]
	since := time.Duration(0)
	failures := 0
	for _, minute := range minutes {
		since += minute.Within
		failures += minute.Failures
	}
	lately := "in the last " + span(since)
	most := func(of func(metrics.Rates) float64) string {
		return fmt.Sprintf("at most %s %s", tenths(slices.Max(each(minutes, of))), lately)
	}
	draw := func(name, now, note string, of func(metrics.Rates) float64) trend {
		label := fmt.Sprintf("%s, by the minute: now %s, %s", name, now, note)
		return trend{
			Name: name, Now: now, Note: note,
			Chart: template.HTML(chart.Sparkline(label, each(minutes, of), minutesOfHour)), //nolint:gosec // it escapes what it writes
		}
	}
	logs := func(minute metrics.Rates) float64 { return minute.Logs }
	posts := func(minute metrics.Rates) float64 { return minute.Posts }
	failed := func(minute metrics.Rates) float64 { return float64(minute.Failures) }
	failing := draw("Failures a minute", number(last.Failures), fmt.Sprintf("%s %s", number(failures), lately), failed)
	failing.Wrong = last.Failures > 0
	return []trend{
		draw("Logs a second", tenths(last.Logs), most(logs), logs),
		draw("Posts a second", tenths(last.Posts), most(posts), posts),
		draw("95 % of posts take", within(last.P95), fmt.Sprintf("half %s, 99 %% %s", within(last.Median), within(last.P99)), latency),
		failing,
	}
}

const minutesOfHour = 60

// each returns a figure of each minute.
func each(minutes []metrics.Rates, of func(metrics.Rates) float64) []float64 {
	values := make([]float64, len(minutes))
	for i, minute := range minutes {
		values[i] = of(minute)
	}
	return values
}

// latency is how long 95 % of the posts of a minute took at most, in seconds, or NaN if there
// were none.
func latency(minute metrics.Rates) float64 {
	if minute.P95 == 0 {
		return math.NaN()
	}
	return min(minute.P95, longestMeasured).Seconds()
}

// span writes how long a time of at most an hour is.
func span(of time.Duration) string {
	switch minutes := int64(of.Round(time.Minute).Minutes()); {
	case of < time.Minute:
		return count(int64(of.Seconds()), "second")
	case minutes == 1:
		return "minute"
	case minutes >= minutesOfHour:
		return "hour"
	default:
		return count(minutes, "minute")
	}
}
