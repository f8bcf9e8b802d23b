package api

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/caller"
)

// from returns the context of a caller's requests.
func from(ctx context.Context, number byte) context.Context {
	return caller.With(ctx, new(caller.At(&net.TCPAddr{IP: net.IPv4(192, 0, 2, number)})))
}

func TestPlacesAreLimitedInAllAndForEachCaller(t *testing.T) {
	t.Parallel()
	p := newPlaces(10, 5, "There are too many.")
	releaseOne, err := p.tryAcquire(from(t.Context(), 1), 5)
	require.NoError(t, err)
	_, err = p.tryAcquire(from(t.Context(), 1), 1)
	assert.ErrorContains(t, err, "There are too many.", "of this caller")
	_, err = p.tryAcquire(from(t.Context(), 2), 4)
	require.NoError(t, err)
	_, err = p.tryAcquire(from(t.Context(), 3), 2)
	assert.Error(t, err, "in all")
	_, err = p.tryAcquire(from(t.Context(), 3), 1)
	assert.NoError(t, err)

	releaseOne()
	_, err = p.tryAcquire(from(t.Context(), 1), 5)
	assert.NoError(t, err)
}

func TestWhoNeedsMoreThanThereIsGetsItAlone(t *testing.T) {
	t.Parallel()
	p := newPlaces(10, 5, "")
	_, err := p.tryAcquire(t.Context(), 100)
	assert.NoError(t, err)
}

func TestPlacesAreGrantedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(4, 2, "")
		granted := make(chan byte, 10)
		wait := func(who byte, number int) (release func()) {
			released := make(chan struct{})
			go func() {
				release, err := p.acquire(from(t.Context(), who), number)
				if assert.NoError(t, err) {
					granted <- who
					<-released
					release()
				}
			}()
			synctest.Wait()
			return func() { close(released); synctest.Wait() }
		}
		one, two := wait(1, 2), wait(2, 2)
		again := wait(1, 2) // waits for its own share
		three := wait(3, 2)
		four := wait(4, 1)
		assert.Equal(t, []byte{1, 2}, drain(granted))

		two()
		assert.Equal(t, []byte{3}, drain(granted), "one who waits for their own share keeps nobody waiting, and the fourth is behind the third")
		one()
		assert.Equal(t, []byte{1}, drain(granted), "the oldest")
		three()
		assert.Equal(t, []byte{4}, drain(granted))
		again()
		four()
		assert.Zero(t, p.taken)
		assert.Empty(t, p.callers)
	})
}

// However many requests of one caller wait, another's is next.
func TestCallersTakeTurnsAtPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2, 2, "")
		const hold = time.Second
		granted := make(chan byte, 20)
		ask := func(who byte) {
			go func() {
				release, err := p.acquire(from(t.Context(), who), 2)
				if assert.NoError(t, err) {
					granted <- who
					time.Sleep(hold)
					release()
				}
			}()
			synctest.Wait()
		}
		for range 4 {
			ask(1)
		}
		ask(2)
		ask(3)
		ask(2)
		time.Sleep(8 * hold)
		synctest.Wait()
		assert.Equal(t, []byte{1, 1, 2, 3, 1, 2, 1}, drain(granted))
		assert.Empty(t, p.waiting)
		assert.Zero(t, p.taken)
	})
}

func drain(from chan byte) (all []byte) {
	for len(from) > 0 {
		all = append(all, <-from)
	}
	return all
}

func TestWaitingForPlacesEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(1, 1, "")
		release, err := p.acquire(t.Context(), 1)
		require.NoError(t, err)
		begun := time.Now()

		_, err = p.acquire(t.Context(), 1)
		require.Error(t, err)
		assert.InDelta(t, 10, time.Since(begun).Seconds(), 2)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = p.acquire(ctx, 1)
		require.Error(t, err)
		assert.Empty(t, p.waiting)

		release()
		_, err = p.acquire(t.Context(), 1)
		assert.NoError(t, err)
	})
}
