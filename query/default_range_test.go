package query_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/query"
	"learninglog/rollup"
)

func TestDefaultRanges(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	to := instant("2026-11-22T23:30:00Z") // already Monday 23 November in Berlin
	for granularity, want := range map[rollup.Granularity]struct {
		utc, berlin string
		periods     int
	}{
		rollup.Day:   {"2026-10-24", "2026-10-25", 30},
		rollup.Week:  {"2026-08-31", "2026-09-07", 12},
		rollup.Month: {"2025-12-01", "2025-12-01", 12},
	} {
		for zone, first := range map[*time.Location]string{time.UTC: want.utc, berlin: want.berlin} {
			from := query.DefaultFrom(granularity, to, zone)
			assert.Equal(t, first+" 00:00", from.Format("2006-01-02 15:04"), "%s in %s", granularity, zone)
			starts, err := granularity.Starts(from, to, zone, query.MaxPeriods)
			require.NoError(t, err)
			assert.Len(t, starts, want.periods)
			assert.Equal(t, want.periods, query.DefaultPeriods(granularity))
		}
	}
}
