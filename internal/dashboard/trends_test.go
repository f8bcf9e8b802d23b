package dashboard //nolint:testpackage // what the operators' page says is nobody else's

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/metrics"
)

func TestTrendsSayWhatIsNowAndWhatWasWithinTheHour(t *testing.T) {
	t.Parallel()
	busy := metrics.Rates{
		Within: time.Minute, Logs: 1234.5, Posts: 20, Failures: 2,
		Median: 2500 * time.Microsecond, P95: 10 * time.Millisecond, P99: math.MaxInt64,
	}
	quiet := metrics.Rates{Within: time.Minute}

	shown := trends([]metrics.Rates{busy, quiet})

	require.Len(t, shown, 4)
	for i, want := range []trend{
		{Name: "Logs a second", Now: "0.0", Note: "at most 1,234.5 in the last 2 minutes"},
		{Name: "Posts a second", Now: "0.0", Note: "at most 20.0 in the last 2 minutes"},
		{Name: "95 % of posts take", Now: "–", Note: "half –, 99 % –"},
		{Name: "Failures a minute", Now: "0", Note: "2 in the last 2 minutes"},
	} {
		assert.Contains(t, string(shown[i].Chart), want.Name+", by the minute: now "+want.Now+", "+want.Note)
		shown[i].Chart = ""
		assert.Equal(t, want, shown[i])
	}

	shown = trends([]metrics.Rates{busy})
	assert.Equal(t, "half ≤ 2.5 ms, 99 % > 30 s", shown[2].Note)
	assert.Equal(t, "2 in the last minute", shown[3].Note)
	assert.True(t, shown[3].Wrong)

	hour := make([]metrics.Rates, 60)
	for i := range hour {
		hour[i] = busy
	}
	assert.Equal(t, "120 in the last hour", trends(hour)[3].Note)
	young := trends([]metrics.Rates{{Within: 11 * time.Second, Logs: 1}})
	assert.Equal(t, "at most 1.0 in the last 11 seconds", young[0].Note)
}
