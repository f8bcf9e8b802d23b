package dashboard

import (
	"bytes"
	"fmt"
	"html"

	"learninglog/internal/chart"
	"learninglog/query"
)

// figures writes the rows of the table behind a chart. Of a long range they are most
// of the page, and a template would take many times as long for them.
func figures(summary query.Summary) []byte {
	var rows bytes.Buffer
	for _, period := range summary.Periods {
		fmt.Fprintf(&rows, "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>\n",
			html.EscapeString(chart.PeriodName(summary.Granularity, period.Period)),
			number(period.TotalWordCount), number(period.EntryCount), tenths(period.Average()))
	}
	return rows.Bytes()
}
