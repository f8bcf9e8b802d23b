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
func periodRows(locale *language.Locale, summary query.Summary) []byte {
	var rows bytes.Buffer
	for _, period := range summary.Periods {
		writeFigures(&rows, locale, chart.PeriodName(locale, summary.Granularity, period.Period), period.Sums)
	}
	return rows.Bytes()
}

// hourRows writes the rows of the table behind a chart of hours.
func hourRows(locale *language.Locale, hours query.Hours) []byte {
	var rows bytes.Buffer
	for hour, sums := range hours.Sums {
		writeFigures(&rows, locale, chart.HourName(locale, hour), sums)
	}
	return rows.Bytes()
}

func writeFigures(rows *bytes.Buffer, locale *language.Locale, name string, sums rollup.Sums) {
	fmt.Fprintf(rows, "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>\n",
		html.EscapeString(name), locale.Number(sums.TotalWordCount), locale.Number(sums.EntryCount), locale.Decimal(sums.Average()))
}
