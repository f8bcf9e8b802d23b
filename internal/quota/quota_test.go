package quota_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/time/rate"

	"learninglog/internal/caller"
	"learninglog/internal/quota"
)

func TestWhatIsTakenComesBackInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := rate.NewLimiter(2, 10)
		assert.Zero(t, quota.Take(limiter, 7))
		assert.Equal(t, 2*time.Second, quota.Take(limiter, 7), "three are left, and two come back in a second")
		assert.Zero(t, quota.Take(limiter, 3), "what was refused took nothing")
		assert.Equal(t, 5*time.Second, quota.Take(limiter, 1_000_000), "more than there can be is all that there can be")
		time.Sleep(5 * time.Second)
		assert.Zero(t, quota.Wait(limiter, 1_000_000))
		assert.Zero(t, quota.Take(limiter, 1_000_000))
		assert.NotZero(t, quota.Take(limiter, 1))
		assert.Zero(t, quota.Take(nil, 1_000_000))
		assert.Zero(t, quota.Wait(nil, 1_000_000))
	})
}

func TestEachCallerHasALimiter(t *testing.T) {
	t.Parallel()
	limiters := quota.NewLimiters(func() *rate.Limiter { return rate.NewLimiter(1, 1) })
	one, other := caller.Named("key 1"), caller.Named("key 2")
	assert.Zero(t, quota.Take(limiters.Of(one), 1))
	assert.NotZero(t, quota.Take(limiters.Of(one), 1))
	assert.Zero(t, quota.Take(limiters.Of(other), 1))
}

func TestLimitersAreBounded(t *testing.T) {
	t.Parallel()
	made := 0
	limiters := quota.NewLimiters(func() *rate.Limiter {
		made++
		return rate.NewLimiter(1, 1)
	})
	const callers = 50_000
	for pass := range 2 {
		for n := range callers {
			limiters.Of(caller.Named(fmt.Sprint(n)))
		}
		if pass == 0 {
			assert.Equal(t, callers, made)
		}
	}
	assert.Greater(t, made, callers+callers/2, "most were forgotten")
}
