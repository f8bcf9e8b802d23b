package dashboard

import (
	"bytes"
	"fmt"
	"html"

	"learninglog/internal/chart"
	"learninglog/query"
	"learninglog/rollup"
)

// periodRows writes the rows of the table behind a chart. They are most of the page
// where the range is long, and a template would take many times as long for them.
func periodRows(summary query.Summary) []byte {
	var rows bytes.Buffer
	for _, period := range summary.Periods {
		writeFigures(&rows, chart.PeriodName(summary.Granularity, period.Period), period.Sums)
	}
	return rows.Bytes()
}

// hourRows writes the rows of the table behind a chart of hours.
func hourRows(hours query.Hours) []byte {
	var rows bytes.Buffer
	for hour, sums := range hours.Sums {
		writeFigures(&rows, chart.HourName(hour), sums)
	}
	return rows.Bytes()
}

func writeFigures(rows *bytes.Buffer, name string, sums rollup.Sums) {
	fmt.Fprintf(rows, "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>\n",
		html.EscapeString(name), number(sums.TotalWordCount), number(sums.EntryCount), tenths(sums.Average()))
}
