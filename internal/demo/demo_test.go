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
)

// recorder stores the logs that it gets, or refuses them.
type recorder struct {
	logs   []command.Log
	refuse error
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

	logs, err := demo.Fill(context.Background(), &filled, now, time.UTC)

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
		assert.Positive(t, perUser[learner.ID], learner.Habit)
		assert.NotEmpty(t, learner.Habit)
	}
	assert.Len(t, perUser, len(demo.Learners()))
}

func TestFillFailsWhereALogCannotBeRecorded(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	_, err := demo.Fill(context.Background(), &recorder{refuse: full}, time.Now(), time.UTC)
	assert.ErrorIs(t, err, full)
}
