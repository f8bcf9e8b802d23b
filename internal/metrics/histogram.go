package metrics

import (
	"math"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// histogram has cumulative counts by upper bounds in seconds: each count includes
// all lower ones. The last bound is infinite.
type histogram struct {
	bounds []float64
	counts []float64
}

// add adds a histogram with the same bounds.
func (h *histogram) add(more *dto.Histogram) {
	buckets := more.GetBucket()
	if h.bounds == nil {
		h.bounds, h.counts = make([]float64, len(buckets)+1), make([]float64, len(buckets)+1)
		h.bounds[len(buckets)] = math.Inf(1)
	}
	for i, bucket := range buckets {
		h.bounds[i] = bucket.GetUpperBound()
		h.counts[i] += float64(bucket.GetCumulativeCount())
	}
	h.counts[len(buckets)] += float64(more.GetSampleCount())
}

// minus returns what was counted since an earlier reading of the same histogram.
func (h histogram) minus(earlier histogram) histogram {
	since := histogram{bounds: h.bounds, counts: slices.Clone(h.counts)}
	for i := range earlier.counts {
		since.counts[i] -= earlier.counts[i]
	}
	return since
}

func (h histogram) count() float64 {
	if len(h.counts) == 0 {
		return 0
	}
	return h.counts[len(h.counts)-1]
}

// quantile returns the upper bound of a share of all values. If that bound is
// infinite, it returns the longest duration.
func (h histogram) quantile(share float64) time.Duration {
	for i, count := range h.counts[:max(0, len(h.counts)-1)] {
		if count >= share*h.count() {
			return time.Duration(h.bounds[i] * float64(time.Second))
		}
	}
	return math.MaxInt64
}
