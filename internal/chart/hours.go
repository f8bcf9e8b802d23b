package chart

import (
	"fmt"

	"learninglog/query"
	"learninglog/rollup"
)

// DrawHours returns the chart of the hours of the day, as an svg element without a style.
func DrawHours(hours query.Hours) []byte {
	const height, right, every = 240, width - 32, 3
	c := newCanvas(len(hours.Sums), height, right, 0, func(hour int) rollup.Sums { return hours.Sums[hour] })
	c.begin(DescribeHours(hours), nil)
	c.legend("words", "")
	c.grid()
	for hour := 0; hour <= len(hours.Sums); hour += every {
		c.name(c.middle(hour)-c.slot/2, clock(hour), hour/every%2 == 1)
	}
	c.bars(func(hour int) string { return describe(HourName(hour), hours.Sums[hour]) }, -1)
	return c.end()
}

// DescribeHours says in a sentence what a chart of hours shows.
func DescribeHours(hours query.Hours) string {
	totals, said := hours.Totals(), "Words per hour of the day"
	if hours.HasMore {
		said += ", of the latest " + Count(totals.EntryCount, "log")
	}
	said += ": " + describeSums(totals)
	if best, ok := hours.Best(); ok {
		said += ", the most from " + HourName(best)
	}
	return said
}

// HourName names an hour of the day, such as "07:00 to 08:00".
func HourName(hour int) string { return clock(hour) + " to " + clock(hour+1) }

func clock(hour int) string { return fmt.Sprintf("%02d:00", hour) }
