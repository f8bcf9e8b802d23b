package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// percentile returns the latency that p percent of the posts did not exceed.
func (r result) percentile(p int) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	const all = 100
	return r.latencies[min(len(r.latencies)*p/all, len(r.latencies)-1)]
}

// series is what one variant found, round by round.
type series []result

// rates prints the least, the median and the most.
func (s series) rates() string {
	return spread(s.each(func(r result) float64 { return r.rate }), "%.0f")
}

// percentiles prints the medians over the rounds.
func (s series) percentiles() string {
	at := func(p int) time.Duration {
		return rounded(time.Duration(median(s.each(func(r result) float64 { return float64(r.percentile(p)) }))))
	}
	return fmt.Sprintf("%s / %s / %s", at(50), at(95), at(99)) //nolint:mnd // what they are
}

func (s series) each(figure func(result) float64) []float64 {
	figures := make([]float64, len(s))
	for i, found := range s {
		figures[i] = figure(found)
	}
	return figures
}

// over prints the ratio to another series: of neighbours in time, then the
// least, the median and the most of those.
func (s series) over(other series) string {
	ratios := make([]float64, len(s))
	for i := range s {
		ratios[i] = s[i].rate / other[i].rate
	}
	return spread(ratios, "%.2f")
}

// slower prints the ratio of the 99th percentiles, as over does of the rates.
func (s series) slower(other series) string {
	ratios := make([]float64, len(s))
	for i := range s {
		ratios[i] = float64(s[i].percentile(99)) / float64(other[i].percentile(99)) //nolint:mnd // the 99th
	}
	return spread(ratios, "%.2f")
}

// longest prints the longest of all latencies: the least, the median and the most
// over the rounds.
func (s series) longest() string {
	milliseconds := s.each(func(r result) float64 { return float64(r.percentile(100)) / float64(time.Millisecond) }) //nolint:mnd // all
	return spread(milliseconds, "%.0f") + " ms"
}

func spread(figures []float64, format string) string {
	return fmt.Sprintf(format+" / "+format+" / "+format, slices.Min(figures), median(figures), slices.Max(figures))
}

func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// table prints rows of cells, the first as its head.
func table(to io.Writer, rows [][]string) error {
	writer := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for _, cell := range row {
			_, _ = fmt.Fprintf(writer, "%s\t", cell)
		}
		_, _ = fmt.Fprintln(writer)
	}
	return writer.Flush()
}

func joinClose(err error, closeIt func() error) error { return errors.Join(err, closeIt()) }

// durations is how long one way took, round by round.
type durations []time.Duration

// seconds prints the least, the median and the most.
func (d durations) seconds() string {
	seconds := make([]float64, len(d))
	for i := range d {
		seconds[i] = d[i].Seconds()
	}
	return spread(seconds, "%.2f")
}

// over prints the ratio to another way, as [series.over] does.
func (d durations) over(other durations) string {
	ratios := make([]float64, len(d))
	for i := range d {
		ratios[i] = d[i].Seconds() / other[i].Seconds()
	}
	return spread(ratios, "%.2f")
}
