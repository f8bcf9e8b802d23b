package chart_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/chart"
	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

// summary returns one of consecutive periods from 2 March 2026 on.
func summary(granularity rollup.Granularity, sums ...rollup.Sums) query.Summary {
	start := granularity.Start(rollup.NewDate(2026, time.March, 2))
	made := query.Summary{UserID: uuid.New(), Granularity: granularity, From: start}
	for _, sum := range sums {
		made.Periods = append(made.Periods, query.PeriodSummary{Period: start, Sums: sum})
		made.Totals = made.Totals.Plus(sum)
		made.To = start
		start = granularity.Next(start)
	}
	return made
}

func week() query.Summary {
	return summary(rollup.Day,
		rollup.Sums{TotalWordCount: 30, EntryCount: 1}, rollup.Sums{}, rollup.Sums{TotalWordCount: 1200, EntryCount: 3},
		rollup.Sums{TotalWordCount: 90, EntryCount: 2}, rollup.Sums{TotalWordCount: 0, EntryCount: 1},
		rollup.Sums{}, rollup.Sums{TotalWordCount: 7, EntryCount: 2})
}

// To see what has changed: UPDATE_GOLDEN=1 go test ./internal/chart, and look at
// testdata/week.svg in a browser.
func TestPicture(t *testing.T) {
	t.Parallel()
	const golden = "testdata/week.svg"
	got := chart.Picture(language.English(), week())
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(golden, got, 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}

func TestChartsAreXML(t *testing.T) {
	t.Parallel()
	many := make([]rollup.Sums, chart.MaxPeriods)
	for i := range many {
		many[i] = rollup.Sums{TotalWordCount: int64(i), EntryCount: int64(i % 3)}
	}
	for name, summary := range map[string]query.Summary{
		"week":     week(),
		"one":      summary(rollup.Month, rollup.Sums{TotalWordCount: 5, EntryCount: 1}),
		"empty":    summary(rollup.Week, rollup.Sums{}, rollup.Sums{}),
		"nothing":  summary(rollup.Day),
		"many":     summary(rollup.Day, many...),
		"enormous": summary(rollup.Day, rollup.Sums{TotalWordCount: 1<<63 - 1, EntryCount: 1}),
	} {
		for _, svg := range [][]byte{chart.Draw(language.English(), summary, chart.Options{}), chart.Picture(language.English(), summary)} {
			assert.NotContains(t, string(svg), "NaN", name)
			assert.NotContains(t, string(svg), "Inf", name)
			decoder := xml.NewDecoder(strings.NewReader(string(svg)))
			for {
				_, err := decoder.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err, name)
			}
			assert.Equal(t, len(summary.Periods), strings.Count(string(svg), `class="period"`), name)
		}
	}
}

func TestAPeriodSaysWhatItIs(t *testing.T) {
	t.Parallel()
	month := summary(rollup.Month, rollup.Sums{TotalWordCount: 12_345, EntryCount: 10})
	assert.Equal(t, "March 2026: 12,345 words in 10 logs, 1,234.5 per log",
		chart.DescribePeriod(language.English(), rollup.Month, month.Periods[0]))
	weeks := summary(rollup.Week, rollup.Sums{TotalWordCount: 1, EntryCount: 1}, rollup.Sums{})
	assert.Equal(t, "week 10 of 2026, from 2 March 2026: 1 word in 1 log", chart.DescribePeriod(language.English(), rollup.Week, weeks.Periods[0]))
	assert.Equal(t, "week 11 of 2026, from 9 March 2026: no log", chart.DescribePeriod(language.English(), rollup.Week, weeks.Periods[1]))
	assert.Equal(t, "Wednesday, 4 March 2026: 1,200 words in 3 logs, 400.0 per log", chart.DescribePeriod(language.English(), rollup.Day, week().Periods[2]))
	assert.Equal(t, "Words per day, 2 March 2026 to 8 March 2026: 1,327 words in 9 logs", chart.Describe(language.English(), week()))
}

func TestAChartShowsOneThingUnlessItIsAskedForMore(t *testing.T) {
	t.Parallel()
	const line, goal, hatched = `<path class="line`, `<path class="goal"`, `class="bar unfinished"`
	draw := func(summary query.Summary, options chart.Options) string {
		return string(chart.Draw(language.English(), summary, options))
	}
	alone := draw(week(), chart.Options{})
	assert.NotContains(t, alone, line)
	assert.NotContains(t, alone, goal)
	assert.NotContains(t, alone, hatched)
	assert.NotContains(t, alone, ">words<", "the heading says so")

	assert.Contains(t, draw(week(), chart.Options{Averages: true}), ">words per log<")
	high := draw(week(), chart.Options{Goal: 5_000})
	assert.Contains(t, high, goal)
	assert.Contains(t, high, ">goal 5,000<")
	assert.Contains(t, high, ">6k<", "the scale has room for the goal")

	months := summary(rollup.Month, rollup.Sums{TotalWordCount: 5, EntryCount: 1}, rollup.Sums{TotalWordCount: 5, EntryCount: 1})
	assert.Equal(t, 1, strings.Count(draw(months, chart.Options{Unfinished: &months.To}), hatched))
	assert.NotContains(t, draw(months, chart.Options{Unfinished: new(months.To + 40)}), "pattern", "it isn't in the range")
}

func TestALongChartHasAMovingAverage(t *testing.T) {
	t.Parallel()
	sums := make([]rollup.Sums, 60)
	for i := range sums {
		sums[i] = rollup.Sums{TotalWordCount: 70, EntryCount: 1}
	}
	sums[30].TotalWordCount = 140 // which raises the average of seven days by ten
	var drawn struct {
		Texts  []string `xml:"text"`
		Points []struct {
			Y float64 `xml:"cy,attr"`
		} `xml:"circle"`
	}
	require.NoError(t, xml.Unmarshal(chart.Draw(language.English(), summary(rollup.Day, sums...), chart.Options{}), &drawn))

	assert.Contains(t, drawn.Texts, "average of 7 days")
	points := drawn.Points[1:] // the first one is in the legend
	require.Len(t, points, 60-6, "an average of seven days begins on the seventh")
	assert.InDelta(t, points[0].Y, points[23].Y, 0.01)
	assert.Less(t, points[24].Y, points[23].Y, "the large day is higher")
	assert.InDelta(t, points[24].Y, points[30].Y, 0.11, "for seven days")
	assert.InDelta(t, points[0].Y, points[31].Y, 0.11)

	assert.Contains(t, string(chart.Draw(language.English(), summary(rollup.Week, sums[:30]...), chart.Options{})), "average of 4 weeks")
	assert.NotContains(t, string(chart.Draw(language.English(), summary(rollup.Month, sums...), chart.Options{})), "average of")
	assert.NotContains(t, string(chart.Draw(language.English(), summary(rollup.Day, sums[:30]...), chart.Options{})), "average of")
	weeks := summary(rollup.Week, sums[:30]...)
	require.NoError(t, xml.Unmarshal(chart.Draw(language.English(), weeks, chart.Options{Unfinished: &weeks.Periods[28].Period}), &drawn))
	assert.NotContains(t, string(chart.Draw(language.English(), summary(rollup.Day, sums...), chart.Options{Unfinished: new(weeks.From)})), "unfinished", "today is as it is")
	both := string(chart.Draw(language.English(), summary(rollup.Day, sums...), chart.Options{Averages: true}))
	assert.NotContains(t, both, "average of", "one line is enough")
}
