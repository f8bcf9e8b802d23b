package chart_test

import (
	"encoding/xml"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/chart"
	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

// morning returns the hours of somebody who learns before breakfast, and once at night.
func morning() (hours query.Hours) {
	hours.Sums[6] = rollup.Sums{TotalWordCount: 40, EntryCount: 2}
	hours.Sums[7] = rollup.Sums{TotalWordCount: 1000, EntryCount: 8}
	hours.Sums[23] = rollup.Sums{TotalWordCount: 10, EntryCount: 1}
	return hours
}

type drawnHours struct {
	Label string   `xml:"aria-label,attr"`
	Names []string `xml:"text"`
	Hours []struct {
		Title string `xml:"title"`
		Parts []struct {
			Class string `xml:"class,attr"`
		} `xml:"rect"`
	} `xml:"g"`
}

func TestAChartOfHoursHasABarForEachHourWithWords(t *testing.T) {
	t.Parallel()
	var drawn drawnHours
	require.NoError(t, xml.Unmarshal(chart.DrawHours(language.English(), morning()), &drawn))

	require.Len(t, drawn.Hours, 24)
	for hour, shown := range drawn.Hours {
		bars := 0
		for _, part := range shown.Parts {
			if part.Class == "bar" {
				bars++
			}
		}
		assert.Equal(t, map[int]int{6: 1, 7: 1, 23: 1}[hour], bars, "at %d", hour)
	}
	assert.Equal(t, "00:00 to 01:00: no log", drawn.Hours[0].Title)
	assert.Equal(t, "07:00 to 08:00: 1,000 words in 8 logs, 125.0 per log", drawn.Hours[7].Title)
	assert.Equal(t, "23:00 to 24:00: 10 words in 1 log", drawn.Hours[23].Title)
	assert.Subset(t, drawn.Names, []string{"00:00", "06:00", "12:00", "18:00", "24:00"})
	assert.NotContains(t, drawn.Names, "words", "the heading says so")
}

func TestAChartOfHoursSaysInASentenceWhatItShows(t *testing.T) {
	t.Parallel()
	hours := morning()
	assert.Equal(t, "Words per hour of the day: 1,050 words in 11 logs, the most from 07:00 to 08:00", chart.DescribeHours(language.English(), hours))
	hours.HasMore = true
	assert.Equal(t, "Words per hour of the day, of the latest 11 logs: 1,050 words in 11 logs, the most from 07:00 to 08:00", chart.DescribeHours(language.English(), hours))
	assert.Equal(t, "Words per hour of the day: 0 words in 0 logs", chart.DescribeHours(language.English(), query.Hours{}))

	var drawn drawnHours
	require.NoError(t, xml.Unmarshal(chart.DrawHours(language.English(), hours), &drawn))
	assert.Equal(t, chart.DescribeHours(language.English(), hours), drawn.Label)
}
