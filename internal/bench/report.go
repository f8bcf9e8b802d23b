package main

import (
	"errors"
	"fmt"
	"io"
	"math"
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

// series has the results of one variant, one per round.
type series []result

// rates formats the minimum, the median and the maximum.
func (s series) rates() string {
	return spread(s.each(func(r result) float64 { return r.rate }), "%.0f")
}

// percentiles formats the medians over the rounds.
func (s series) percentiles() string {
	at := func(p int) time.Duration {
		return rounded(time.Duration(median(s.each(func(r result) float64 { return float64(r.percentile(p)) }))))
	}
	return fmt.Sprintf("%s / %s / %s", at(50), at(95), at(99)) //nolint:mnd // the percentiles
}

func (s series) each(figure func(result) float64) []float64 {
	figures := make([]float64, len(s))
	for i, found := range s {
		figures[i] = figure(found)
	}
	return figures
}

// ratios compares a figure with that of another series, of the same round. It formats
// the minimum, the median and the maximum of the ratios.
func (s series) ratios(other series, figure func(result) float64) string {
	ratios := make([]float64, len(s))
	for i := range s {
		ratios[i] = figure(s[i]) / figure(other[i])
	}
	return spread(ratios, "%.2f")
}

// over formats the ratios of the rates to those of another series.
func (s series) over(other series) string {
	return s.ratios(other, func(r result) float64 { return r.rate })
}

// slower is like over, but for the 99th percentiles instead of the rates.
func (s series) slower(other series) string {
	return s.ratios(other, func(r result) float64 { return float64(r.percentile(99)) }) //nolint:mnd // the 99th percentile
}

// inService and inDatabase are the processor time of a log or a read, in microseconds.
func inService(r result) float64  { return float64(r.spent.service) / float64(time.Microsecond) }
func inDatabase(r result) float64 { return float64(r.spent.database) / float64(time.Microsecond) }

// service and database format the processor time: the minimum, the median and the
// maximum.
func (s series) service() string  { return spread(s.each(inService), "%.1f") }
func (s series) database() string { return spread(s.each(inDatabase), "%.1f") }

// longest formats the longest latency of each round: the minimum, the median and the
// maximum over the rounds.
func (s series) longest() string {
	milliseconds := s.each(func(r result) float64 { return float64(r.percentile(100)) / float64(time.Millisecond) }) //nolint:mnd // the longest
	return spread(milliseconds, "%.0f") + " ms"
}

func spread(figures []float64, format string) string {
	if slices.ContainsFunc(figures, math.IsNaN) {
		return "not measured"
	}
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

// table prints rows of cells. The first row is the header.
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

// durations are how long one way took, one per round.
type durations []time.Duration

// seconds formats the minimum, the median and the maximum.
func (d durations) seconds() string {
	seconds := make([]float64, len(d))
	for i := range d {
		seconds[i] = d[i].Seconds()
	}
	return spread(seconds, "%.2f")
}

// over formats the ratios to another way, as [series.over] does.
func (d durations) over(other durations) string {
	ratios := make([]float64, len(d))
	for i := range d {
		ratios[i] = d[i].Seconds() / other[i].Seconds()
	}
	return spread(ratios, "%.2f")
}
