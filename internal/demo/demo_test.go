package demo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/demo"
	"learninglog/learning"
	"learninglog/rollup"
)

// recorder stores the logs that it gets, or refuses them.
type recorder struct {
	logs     []command.Log
	settings map[uuid.UUID]learning.Settings
	refuse   error
}

func (r *recorder) ChangeSettings(_ context.Context, user uuid.UUID, settings learning.Settings) error {
	if r.settings == nil {
		r.settings = make(map[uuid.UUID]learning.Settings)
	}
	r.settings[user] = settings
	return nil
}

func (r *recorder) RecordPatiently(_ context.Context, logs []command.Log) []command.Outcome {
	r.logs = append(r.logs, logs...)
	outcomes := make([]command.Outcome, len(logs))
	for i := range outcomes {
		outcomes[i].Status = command.Recorded
		if r.refuse != nil {
			outcomes[i] = command.Outcome{Status: command.Failed, Err: r.refuse}
		}
	}
	return outcomes
}

func TestAYearIsMadeUp(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 22, 9, 30, 0, 0, time.UTC)
	var filled recorder

	logs, err := demo.Fill(context.Background(), &filled, now)

	require.NoError(t, err)
	assert.Len(t, filled.logs, logs)
	ids, perUser := make(map[uuid.UUID]bool), make(map[uuid.UUID]int)
	for _, log := range filled.logs {
		assert.Empty(t, command.DefaultLimits().Check(log, now), "%v", log)
		assert.False(t, log.Timestamp.After(now), "nothing is in the future")
		assert.True(t, log.Timestamp.After(now.AddDate(-1, 0, -1)), "nothing is older than a year")
		assert.False(t, ids[log.RequestID], "every log has an id of its own")
		ids[log.RequestID] = true
		perUser[log.UserID]++
	}
	for _, learner := range demo.Learners() {
		assert.Positive(t, perUser[learner.ID], learner.Settings.DisplayName)
		assert.NotEmpty(t, learner.Settings.DisplayName, "pages show it")
		assert.Equal(t, learner.Settings, filled.settings[learner.ID])
	}
	assert.Len(t, perUser, len(demo.Learners()))
}

// Each learner's logs are of the learner's own clock, through its changes.
func TestLogsCarryTheZoneOfTheirLearner(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 22, 9, 30, 0, 0, time.UTC)
	var filled recorder

	_, err := demo.Fill(context.Background(), &filled, now)

	require.NoError(t, err)
	zones, offsets := make(map[uuid.UUID]string), make(map[string]map[rollup.Offset]bool)
	for _, learner := range demo.Learners() {
		zones[learner.ID] = learner.Zone
		offsets[learner.Zone] = make(map[rollup.Offset]bool)
	}
	assert.Len(t, offsets, len(zones), "no two of them live in the same zone")
	for _, log := range filled.logs {
		require.NotNil(t, log.Zone)
		require.Equal(t, zones[log.UserID], log.Zone.String())
		offsets[log.Zone.String()][rollup.OffsetAt(log.Timestamp, log.Zone)] = true
	}
	assert.Equal(t, map[rollup.Offset]bool{9 * 60: true}, offsets["Asia/Tokyo"])
	assert.Equal(t, map[rollup.Offset]bool{5*60 + 30: true}, offsets["Asia/Kolkata"])
	assert.Equal(t, map[rollup.Offset]bool{60: true, 2 * 60: true}, offsets["Europe/Berlin"], "in winter and in summer")
	assert.Equal(t, map[rollup.Offset]bool{-8 * 60: true, -7 * 60: true}, offsets["America/Los_Angeles"])
}

// The steady learner learns at 7 in the morning, wherever the service is.
func TestHabitsAreOfTheLearnersOwnDays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 22, 9, 30, 0, 0, time.UTC)
	steady := demo.Learners()[0]
	var filled recorder

	_, err := demo.Fill(context.Background(), &filled, now)

	require.NoError(t, err)
	days, mornings, logs := make(map[rollup.Date]bool), 0, 0
	for _, log := range filled.logs {
		if log.UserID != steady.ID {
			continue
		}
		shown := log.Timestamp.In(log.Zone)
		days[rollup.DateOf(shown)] = true
		logs++
		if hour := shown.Hour(); hour >= 4 && hour <= 10 {
			mornings++
		}
	}
	assert.Greater(t, len(days), 350, "nearly every day of a year")
	assert.Equal(t, logs, mornings)
}

func TestFillFailsWhereALogCannotBeRecorded(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	_, err := demo.Fill(context.Background(), &recorder{refuse: full}, time.Now())
	assert.ErrorIs(t, err, full)
}
