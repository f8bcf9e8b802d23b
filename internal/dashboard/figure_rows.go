package dashboard

import (
	"bytes"
	"fmt"
	"html"

	"learninglog/internal/chart"
	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

// periodRows writes the rows of the table behind a chart. They are most of the page
// where the range is long, and a template would take many times as long for them.
func periodRows(l *language.Locale, summary query.Summary) []byte {
	var rows bytes.Buffer
	for _, period := range summary.Periods {
		writeFigures(l, &rows, chart.PeriodName(l, summary.Granularity, period.Period), period.Sums)
	}
	return rows.Bytes()
}

// hourRows writes the rows of the table behind a chart of hours.
func hourRows(l *language.Locale, hours query.Hours) []byte {
	var rows bytes.Buffer
	for hour, sums := range hours.Sums {
		writeFigures(l, &rows, chart.HourName(l, hour), sums)
	}
	return rows.Bytes()
}

func writeFigures(l *language.Locale, rows *bytes.Buffer, name string, sums rollup.Sums) {
	fmt.Fprintf(rows, "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>\n",
		html.EscapeString(name), l.Number(sums.TotalWordCount), l.Number(sums.EntryCount), l.Decimal(sums.Average()))
}
