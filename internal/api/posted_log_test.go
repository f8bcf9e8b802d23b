package api

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/problem"
)

func TestOutcomesAreEncodedAsByEncodingJSON(t *testing.T) {
	t.Parallel()
	id := "6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11"
	for _, outcome := range []BatchOutcome{
		{Index: 0, Outcome: command.Recorded, RequestID: &id},
		{Index: 9999, Outcome: command.Failed, Retryable: true, RequestID: &id},
		{Index: 7, Outcome: command.Invalid},
		{Index: 7, Outcome: command.Invalid, Errors: []problem.Field{{Location: "body[7]", Message: "must be a JSON object", Value: 1}}},
		{Index: 8, Outcome: command.AlreadyRecorded, RequestID: &id, LearningLog: &LearningLog{RequestID: id}},
	} {
		want, err := json.Marshal(outcome)
		require.NoError(t, err)
		posted := postedLog{outcome: outcome}
		assert.Equal(t, "before"+string(want), string(posted.appendOutcome([]byte("before"))))
	}
}
