package query_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/query"
	"learninglog/rollup"
)

func TestDefaultRanges(t *testing.T) {
	t.Parallel()
	to := date("2026-11-22") // a Sunday
	for granularity, want := range map[rollup.Granularity]struct {
		from    string
		periods int
	}{
		rollup.Day:   {"2026-10-24", 30},
		rollup.Week:  {"2026-08-31", 12},
		rollup.Month: {"2025-12-01", 12},
	} {
		from := query.DefaultFrom(granularity, to)

		assert.Equal(t, want.from, from.String(), granularity)
		starts, err := granularity.Starts(from, to, query.MaxPeriods)
		require.NoError(t, err)
		assert.Len(t, starts, want.periods, granularity)
		assert.Equal(t, want.periods, query.DefaultPeriods(granularity), granularity)
	}
}
