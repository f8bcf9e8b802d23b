package chart

import (
	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

// DrawHours returns the chart of the hours of the day, as an svg element without a style.
func DrawHours(locale *language.Locale, hours query.Hours) []byte {
	const height, right, every = 240, width - 48, 3
	c := newCanvas(locale, len(hours.Sums), height, right, 0, func(hour int) rollup.Sums { return hours.Sums[hour] })
	c.begin(DescribeHours(locale, hours), nil)
	c.grid()
	for hour := 0; hour <= len(hours.Sums); hour += every {
		c.name(c.middle(hour)-c.slot/2, locale.Hour(hour), hour/every%2 == 1)
	}
	c.bars(func(hour int) string { return describe(locale, HourName(locale, hour), hours.Sums[hour]) }, len(hours.Sums))
	return c.end()
}

// DescribeHours says in a sentence what a chart of hours shows.
func DescribeHours(locale *language.Locale, hours query.Hours) string {
	totals, what := hours.Totals(), locale.Text("chart.hours")
	if hours.HasMore {
		what = locale.Text("chart.hours_of_latest", "logs", totals.EntryCount)
	}
	said := locale.Text("chart.sums", "what", what, "sums", describeSums(locale, totals))
	if best, ok := hours.Best(); ok {
		said = locale.Text("chart.hours_best", "said", said, "hours", HourName(locale, best))
	}
	return said
}

// HourName names an hour of the day, such as "07:00 to 08:00".
func HourName(locale *language.Locale, hour int) string {
	return locale.Text("hours", "from", locale.Hour(hour), "to", locale.Hour(hour+1))
}
