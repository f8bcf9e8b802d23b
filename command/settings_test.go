package command_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/learning"
	"learninglog/query"
	"learninglog/rollup"
)

func TestSettingsAreThoseThatWereSetLast(t *testing.T) {
	t.Parallel()
	pool, user, other := pgtest.Pool(t), uuid.New(), uuid.New()
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)})
	reader := query.NewReader(pool, time.UTC)
	changed := func() (at time.Time) {
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT changed_at FROM learning_log_settings WHERE user_id = $1`, user).Scan(&at))
		return at
	}
	all := learning.Settings{DisplayName: "Mia", Goal: learning.Goal{Words: command.MaxGoalWords, Per: rollup.Week}, FreezeDays: command.MaxFreezeDays}
	require.NoError(t, recorder.ChangeSettings(t.Context(), other, all))
	for _, settings := range []learning.Settings{
		all, {DisplayName: "Mia"}, {Goal: learning.Goal{Words: 1, Per: rollup.Day}}, {FreezeDays: 1}, {},
	} {
		require.NoError(t, recorder.ChangeSettings(t.Context(), user, settings))
		if settings != (learning.Settings{}) {
			first := changed()
			require.NoError(t, recorder.ChangeSettings(t.Context(), user, settings))
			assert.Equal(t, first, changed(), "doing it again changes nothing")
		}

		got, err := reader.Settings(t.Context(), user)

		require.NoError(t, err)
		assert.Equal(t, settings, got)
	}
	got, err := reader.Settings(t.Context(), other)
	require.NoError(t, err)
	assert.Equal(t, all, got)
}

func TestSettingsOutsideTheLimitsAreNotSet(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)})
	for field, settings := range map[string]learning.Settings{
		"display_name": {DisplayName: "a\nb"},
		"goal.words":   {Goal: learning.Goal{Words: -1, Per: rollup.Day}},
		"goal.per":     {Goal: learning.Goal{Words: 1, Per: rollup.Month}},
		"freeze_days":  {FreezeDays: 8},
	} {
		err := recorder.ChangeSettings(t.Context(), uuid.New(), settings)

		var invalid *command.InvalidSettingsError
		require.ErrorAs(t, err, &invalid)
		require.Len(t, invalid.Errors, 1)
		assert.Equal(t, field, invalid.Errors[0].Field)
	}
}
