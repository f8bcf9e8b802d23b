package chart_test

import (
	"encoding/xml"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/chart"
)

type drawnSparkline struct {
	Label string `xml:"aria-label,attr"`
	Paths []struct {
		Class string `xml:"class,attr"`
		D     string `xml:"d,attr"`
	} `xml:"path"`
	Points []struct {
		X string `xml:"cx,attr"`
		Y string `xml:"cy,attr"`
	} `xml:"circle"`
}

func sparkline(t testing.TB, label string, values []float64) (line string, drawn drawnSparkline) {
	t.Helper()
	require.NoError(t, xml.Unmarshal(chart.Sparkline(label, values, 5), &drawn))
	for _, path := range drawn.Paths {
		if path.Class == "trend" {
			line = path.D
		}
	}
	return line, drawn
}

func TestASparklineEndsAtTheRightAndIsBrokenWhereThereIsNoValue(t *testing.T) {
	t.Parallel()
	none := math.NaN()
	for name, test := range map[string]struct {
		values []float64
		line   string
		points int
	}{
		"as many as there is room for": {[]float64{0, 10, 5, 10, 0}, "M4.0 44.0h.01L62.0 4.0L120.0 24.0L178.0 4.0L236.0 44.0", 1},
		"fewer":                        {[]float64{10, 5}, "M178.0 4.0h.01L236.0 24.0", 1},
		"one":                          {[]float64{3}, "M236.0 4.0h.01", 1},
		"only zeros":                   {[]float64{0, 0}, "M178.0 44.0h.01L236.0 44.0", 1},
		"a gap":                        {[]float64{1, none, 1}, "M120.0 4.0h.01M236.0 4.0h.01", 1},
		"a gap at the end":             {[]float64{1, none}, "M178.0 4.0h.01", 0},
		"only gaps":                    {[]float64{none, none}, "", 0},
		"nothing":                      {nil, "", 0},
	} {
		line, drawn := sparkline(t, "a < b", test.values)
		assert.Equal(t, test.line, line, name)
		assert.Len(t, drawn.Points, test.points, name)
		assert.Equal(t, "a < b", drawn.Label)
	}
}
