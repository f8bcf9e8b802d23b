package dashboard //nolint:testpackage // what a form means is nobody else's

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

func TestTheScopeOfAForm(t *testing.T) {
	t.Parallel()
	user := uuid.New()

	scope, err := jobForm{User: user.String(), From: "2026-11-01", To: "2026-11-30"}.scope()
	require.NoError(t, err)
	assert.Equal(t, rebuild.Scope{
		Users: []uuid.UUID{user},
		From:  new(rollup.NewDate(2026, time.November, 1)),
		To:    new(rollup.NewDate(2026, time.November, 30)),
	}, scope)

	everything, err := jobForm{}.scope()
	require.NoError(t, err)
	assert.Equal(t, rebuild.Scope{}, everything)

	_, err = jobForm{From: "1 November"}.scope()
	require.ErrorContains(t, err, "from must be a date")
	_, err = jobForm{User: "me"}.scope()
	assert.ErrorContains(t, err, "must be a UUID")
	_, err = jobForm{From: "2026-11-02", To: "2026-11-01"}.scope()
	assert.ErrorContains(t, err, "from must not be after to")
}

func TestAJobSaysWhatItIs(t *testing.T) {
	t.Parallel()
	user := uuid.New()
	november := rebuild.Scope{From: new(rollup.NewDate(2026, time.November, 1)), To: new(rollup.NewDate(2026, time.November, 30))}
	for want, args := range map[string]rebuild.Args{
		"rebuild of everybody":                                           {},
		"verify of learner " + user.String():                             {DryRun: true, Scope: rebuild.Scope{Users: []uuid.UUID{user}}},
		"verify of everybody, from 1 November 2026, to 30 November 2026": {DryRun: true, Scope: november},
		"routine verification of a sample, and whoever was active":       {DryRun: true, Routine: true},
		"re-zone of everybody to Asia/Tokyo":                             {TimeZone: "Asia/Tokyo"},
		"re-zone of 2 learners to Asia/Tokyo": {
			TimeZone: "Asia/Tokyo", Scope: rebuild.Scope{Users: []uuid.UUID{user, uuid.New()}},
		},
		"re-zone of everybody to Asia/Tokyo, from 1 November 2026, to 30 November 2026": {TimeZone: "Asia/Tokyo", Scope: november},
	} {
		job := shownRebuild{rebuild.Job{Args: args, Users: len(args.Scope.Users)}}
		assert.Equal(t, want, job.What()+" of "+job.Scope())
	}
}
