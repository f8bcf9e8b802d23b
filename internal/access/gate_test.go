package access_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/caller"
	"learninglog/internal/pgtest"
)

// requestFrom is a request from an address. authorization may be empty.
func requestFrom(address byte, authorization string) *http.Request {
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	return request.WithContext(caller.With(request.Context(), caller.At(&net.TCPAddr{IP: net.IPv4(192, 0, 2, address)})))
}

func TestWhoFailsOftenIsLookedAtNoMore(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, known := create(t, pool, backend())
	database := &countingDatabase{Database: pool}
	gate := access.NewGate(newKeyring(t, database), nil, nil, access.Cookies{})
	_, recent := create(t, pool, backend())
	made := strings.Replace(known, known[4:8], "0000", 1)
	for n := range 20 {
		_, err := gate.Identify(requestFrom(1, []string{"Bearer " + made, "Basic " + known, "Bearer", "x"}[n%4]))
		require.ErrorIs(t, err, access.ErrUnknown)
	}
	before := database.queries

	for _, wrong := range []string{"Bearer " + made, "Basic " + known, "Bearer " + recent} {
		_, err := gate.Identify(requestFrom(1, wrong))
		limited, ok := errors.AsType[*access.TooManyFailuresError](err)
		require.True(t, ok, "%v", err)
		assert.Greater(t, limited.After, time.Duration(0))
		assert.LessOrEqual(t, limited.After, 3*time.Second)
		assert.NotContains(t, err.Error(), "llk_")
	}
	assert.Equal(t, before, database.queries, "nothing is looked up for it")

	identity, err := gate.Identify(requestFrom(1, "Bearer "+known))
	require.NoError(t, err, "what is known by heart goes on")
	assert.Equal(t, "key 1 (backend)", identity.Name)
	identity, err = gate.Identify(requestFrom(1, ""))
	require.NoError(t, err)
	assert.Nil(t, identity, "who says nothing fails at nothing")
	_, err = gate.Identify(requestFrom(2, "Bearer "+recent))
	require.NoError(t, err, "from another address")
	_, err = gate.Identify(requestFrom(2, "Bearer "+made))
	require.ErrorIs(t, err, access.ErrUnknown)
}

func TestWhoFailsSeldomIsLookedAt(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	gate := access.NewGate(newKeyring(t, pool), nil, nil, access.Cookies{})
	for range 40 {
		_, secret := create(t, pool, backend())
		_, err := gate.Identify(requestFrom(1, "bearer  "+secret))
		require.NoError(t, err, "what is right is no failure")
		_, err = gate.Identify(requestFrom(1, ""))
		require.NoError(t, err)
	}
}

// A proxy before the service may look at one of them, and the service at another.
func TestSeveralAuthorizationsAreWorthNothing(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, known := create(t, pool, backend())
	gate := access.NewGate(newKeyring(t, pool), nil, nil, access.Cookies{})
	good := "Bearer " + known
	for _, several := range [][]string{{good, good}, {good, "Basic x"}, {"Basic x", good}, {"", good}, {good, ""}} {
		request := requestFrom(1, "")
		request.Header["Authorization"] = several
		_, err := gate.Identify(request)
		require.ErrorIs(t, err, access.ErrUnknown, "%q", strings.ReplaceAll(strings.Join(several, "; "), known, "KEY"))
	}
}

func TestMadeUpSessionsLockNobodyOut(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	ring := newKeyring(t, pool)
	_, key := create(t, pool, backend())
	sessions := access.NewSessions(pool, ring, "", slog.New(slog.DiscardHandler))
	gate := access.NewGate(ring, nil, sessions, access.Cookies{})
	begun, err := sessions.BeginWithKey(t.Context(), key)
	require.NoError(t, err)
	withCookie := func(secret string) *http.Request {
		r := requestFrom(1, "")
		r.AddCookie(&http.Cookie{Name: "learninglog", Value: secret})
		return r
	}
	good := withCookie(begun.Secret)
	_, err = gate.Identify(good)
	require.NoError(t, err)

	limited := 0
	for n := range 200 {
		_, err := gate.Identify(withCookie(fmt.Sprintf("%043d", n)))
		if _, ok := errors.AsType[*access.TooManyFailuresError](err); ok {
			limited++
		}
	}

	assert.Greater(t, limited, 150)
	found, err := gate.Identify(good)
	require.NoError(t, err)
	assert.Equal(t, "key 1 (backend)", found.Name)
	require.NoError(t, gate.IsStillKnown(good))
	_, err = access.NewKeys(pool).Revoke(t.Context(), 1)
	require.NoError(t, err)
	require.NoError(t, ring.Follow(t.Context()))
	assert.ErrorIs(t, gate.IsStillKnown(good), access.ErrUnknown, "however much fails at the address")
}
