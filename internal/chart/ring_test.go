package chart_test

import (
	"encoding/xml"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/chart"
)

func TestARingClosesAsTheGoalIsReached(t *testing.T) {
	t.Parallel()
	type drawn struct {
		Label   string `xml:"aria-label,attr"`
		Circles []struct {
			Class  string `xml:"class,attr"`
			Dashes string `xml:"stroke-dasharray,attr"`
		} `xml:"circle"`
		Texts []string `xml:"text"`
	}
	for name, test := range map[string]struct {
		done, goal int64
		dashes     string
		class      string
	}{
		"nothing is done": {done: 0, goal: 100},
		"no goal":         {done: 50},
		"a quarter":       {done: 25, goal: 100, class: "done", dashes: "110.0 439.8"},
		"all":             {done: 100, goal: 100, class: "done reached", dashes: "439.8 439.8"},
		"more than all":   {done: 900, goal: 100, class: "done reached", dashes: "439.8 439.8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ring drawn
			require.NoError(t, xml.Unmarshal(chart.Ring(chart.Progress{
				Done: test.done, Goal: test.goal, Number: "1", Caption: "<word> today", Of: "of 2",
			}), &ring))

			assert.Equal(t, "1 <word> today of 2", ring.Label)
			assert.Equal(t, []string{"1", "<word> today", "of 2"}, ring.Texts)
			if test.goal == 0 {
				assert.Empty(t, ring.Circles)
				return
			}
			if test.class == "" {
				require.Len(t, ring.Circles, 1, "the track alone")
				return
			}
			require.Len(t, ring.Circles, 2)
			assert.Equal(t, test.class, ring.Circles[1].Class)
			assert.Equal(t, test.dashes, ring.Circles[1].Dashes)
		})
	}
}
