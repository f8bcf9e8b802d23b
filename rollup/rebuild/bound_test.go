package rebuild_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

// ofNobody returns the arguments of a job whose scope no other has.
func ofNobody() rebuild.Args {
	return rebuild.Args{Scope: rebuild.Scope{Users: []uuid.UUID{uuid.New()}}}
}

func TestOnlySoManyRequestedRebuildsMayWait(t *testing.T) {
	t.Parallel()
	jobs := newJobs(t, pgtest.Pool(t))
	var first rebuild.Requested
	for n := range rebuild.MaxUnfinished {
		args := ofNobody()
		if n%2 == 1 {
			args.TimeZone = "Asia/Tokyo"
		}
		requested, err := jobs.Request(t.Context(), args)
		require.NoError(t, err)
		if n == 0 {
			first = requested
		}
	}

	_, err := jobs.Request(t.Context(), ofNobody())
	require.ErrorIs(t, err, rebuild.ErrTooMany)
	_, err = jobs.Request(t.Context(), rebuild.Args{TimeZone: "Asia/Tokyo"})
	require.ErrorIs(t, err, rebuild.ErrTooMany, "re-zones count too")

	require.NoError(t, jobs.Cancel(t.Context(), first.ID))
	_, err = jobs.Request(t.Context(), ofNobody())
	require.NoError(t, err, "one that has ended makes room")
	_, err = jobs.Request(t.Context(), ofNobody())
	require.ErrorIs(t, err, rebuild.ErrTooMany)
	list, err := jobs.List(t.Context(), 1000)
	require.NoError(t, err)
	assert.Len(t, list, rebuild.MaxUnfinished+1, "what was refused left nothing")
}

func TestARequestJoinsARebuildHoweverManyWait(t *testing.T) {
	t.Parallel()
	jobs := newJobs(t, pgtest.Pool(t))
	first, err := jobs.Request(t.Context(), rebuild.Args{})
	require.NoError(t, err)
	fill(t, jobs, rebuild.MaxUnfinished-1, false)

	joined, err := jobs.Request(t.Context(), rebuild.Args{})

	require.NoError(t, err)
	assert.Equal(t, rebuild.Requested{ID: first.ID, Joined: true}, joined)
}

func TestOneRequesterLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	jobs := newJobs(t, pgtest.Pool(t))
	request := func(who string) error {
		args := ofNobody()
		args.Requester = who
		_, err := jobs.Request(t.Context(), args)
		return err
	}
	for range rebuild.MaxUnfinishedEach {
		require.NoError(t, request("key 1"))
	}
	require.ErrorIs(t, request("key 1"), rebuild.ErrTooManyOfOne)
	require.NoError(t, request("key 2"))
	for range rebuild.MaxUnfinishedEach + 1 {
		require.NoError(t, request(""), "who has no name has no share")
	}

	list, err := jobs.List(t.Context(), 1000)
	require.NoError(t, err)
	assert.Len(t, list, 2*rebuild.MaxUnfinishedEach+2, "what was refused left nothing")
	_, err = jobs.CancelWaiting(t.Context())
	require.NoError(t, err)
	assert.NoError(t, request("key 1"), "what has ended doesn't count")
}

func TestOperatorsAreNotKeptOutByTheRebuildsOfOthers(t *testing.T) {
	t.Parallel()
	jobs := newJobs(t, pgtest.Pool(t))
	fill(t, jobs, rebuild.MaxUnfinished, false)
	operators := ofNobody()
	operators.Operator = true

	_, err := jobs.Request(t.Context(), operators)
	require.NoError(t, err)
	_, err = jobs.Request(t.Context(), rebuild.Args{Operator: true, TimeZone: "Asia/Tokyo"})
	require.NoError(t, err)

	fill(t, jobs, rebuild.MaxUnfinished-2, true)
	operators = ofNobody()
	operators.Operator = true
	_, err = jobs.Request(t.Context(), operators)
	require.ErrorIs(t, err, rebuild.ErrTooMany, "they have a bound of their own")
}

func fill(t *testing.T, jobs *rebuild.Jobs, n int, operators bool) {
	t.Helper()
	for range n {
		args := ofNobody()
		args.Operator = operators
		_, err := jobs.Request(t.Context(), args)
		require.NoError(t, err)
	}
}

// Requests may reach several replicas at the same time.
func TestTheBoundIsExact(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	replicas := []*rebuild.Jobs{newJobs(t, pgtest.Open(t, url)), newJobs(t, pgtest.Open(t, url))}
	fill(t, replicas[0], rebuild.MaxUnfinished-5, false)
	var accepted, refused atomic.Int64
	var requests sync.WaitGroup
	for n := range 40 {
		requests.Go(func() {
			_, err := replicas[n%len(replicas)].Request(t.Context(), ofNobody())
			if err == nil {
				accepted.Add(1)
			} else if assert.ErrorIs(t, err, rebuild.ErrTooMany) {
				refused.Add(1)
			}
		})
	}
	requests.Wait()

	assert.EqualValues(t, 5, accepted.Load())
	assert.EqualValues(t, 35, refused.Load())
}

func TestRoutinesAreNotCounted(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	jobs := newJobs(t, pool)
	insert(t, jobs, rebuild.Args{Routine: true})
	fill(t, jobs, rebuild.MaxUnfinished, false)

	waiting, err := jobs.Waiting(t.Context())

	require.NoError(t, err)
	assert.Equal(t, rebuild.MaxUnfinished, waiting)
}
