package dashboard

import (
	"bytes"
	"fmt"
	"html"

	"learninglog/internal/chart"
	"learninglog/query"
)

// periodRows writes the rows of the table behind a chart. They are most of the page
// where the range is long, and a template would take many times as long for them.
func periodRows(summary query.Summary) []byte {
	var rows bytes.Buffer
	for _, period := range summary.Periods {
		fmt.Fprintf(&rows, "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>\n",
			html.EscapeString(chart.PeriodName(summary.Granularity, period.Period)),
			number(period.TotalWordCount), number(period.EntryCount), tenths(period.Average()))
	}
	return rows.Bytes()
}
