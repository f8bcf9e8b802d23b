package api

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/problem"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

func TestTheDatesOfARebuildAreThoseThatAreShown(t *testing.T) {
	t.Parallel()
	args, err := decodeRebuild([]byte(`{"from":"2026-11-01T23:30:00-08:00","to":"2026-11-30"}`))
	require.NoError(t, err)
	assert.Equal(t, rollup.NewDate(2026, time.November, 1), *args.Scope.From)
	assert.Equal(t, rollup.NewDate(2026, time.November, 30), *args.Scope.To)
	assert.Empty(t, args.TimeZone, "it re-zones nothing")
}

func TestAPurgeHasAnAge(t *testing.T) {
	t.Parallel()
	args, err := decodePurge([]byte(`{"older_than_days":400,"dry_run":true,"max_logs_per_second":0}`))
	require.NoError(t, err)
	assert.Equal(t, rebuild.Args{PurgeOlderThanDays: 400, DryRun: true, Workers: 1}, args)
	for _, body := range []string{
		``, `{}`, `{"older_than_days":null}`, `{"older_than_days":0}`, `{"older_than_days":-1}`, `{"older_than_days":36501}`,
		`{"older_than_days":"400"}`, `{"older_than_days":1.5}`, `{"older_than_days":400,"from":"2026-01-01"}`, `{"Older_than_days":400}`,
	} {
		_, err := decodePurge([]byte(body))
		assert.Error(t, err, body)
	}
}

func TestARezoneHasATimeZone(t *testing.T) {
	t.Parallel()
	known := newDecoder(t).zones

	args, err := decodeRezone([]byte(`{"time_zone":"Asia/Tokyo","user_id":"`+aUser+`","from":"2026-11-01"}`), known)

	require.NoError(t, err)
	assert.Equal(t, "Asia/Tokyo", args.TimeZone)
	assert.Equal(t, rebuild.Scope{
		Users: []uuid.UUID{uuid.MustParse(aUser)}, From: new(rollup.NewDate(2026, time.November, 1)),
	}, args.Scope)
	for _, body := range []string{`{}`, `{"time_zone":null}`, `{"time_zone":""}`, `{"time_zone":"EST"}`, `{"time_zone":9}`} {
		_, err := decodeRezone([]byte(body), known)
		var wrong *problem.Problem
		require.ErrorAs(t, err, &wrong, body)
		require.Len(t, wrong.Errors, 1, body)
		assert.Equal(t, "body.time_zone", wrong.Errors[0].Location, body)
	}
	_, err = decodeRezone([]byte(`{"time_zone":"UTC","dry_run":true}`), known)
	assert.ErrorContains(t, err, "valid", "a re-zone can't be tried")
}

// With less, two rebuilds would keep all others waiting for days.
func TestARebuildHasALeastPace(t *testing.T) {
	t.Parallel()
	known := newDecoder(t).zones
	for _, pace := range []string{"0", "1000", "2147483647"} {
		args, err := decodeRebuild([]byte(`{"max_logs_per_second":` + pace + `}`))
		require.NoError(t, err, pace)
		assert.Equal(t, pace, strconv.Itoa(args.MaxLogsPerSecond))
	}
	for _, pace := range []string{"1", "999", "-1", "2147483648", "1e4", `"1000"`} {
		_, ofRebuild := decodeRebuild([]byte(`{"max_logs_per_second":` + pace + `}`))
		_, ofRezone := decodeRezone([]byte(`{"time_zone":"UTC","max_logs_per_second":`+pace+`}`), known)
		for _, err := range []error{ofRebuild, ofRezone} {
			var wrong *problem.Problem
			require.ErrorAs(t, err, &wrong, pace)
			require.Len(t, wrong.Errors, 1, pace)
			assert.Equal(t, "body.max_logs_per_second", wrong.Errors[0].Location, pace)
			assert.Contains(t, wrong.Errors[0].Message, "must be 0, which is as many as it can, or from 1000 to 2147483647", pace)
		}
	}
}
