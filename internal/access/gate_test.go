package access_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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
	return request.WithContext(caller.With(request.Context(), new(caller.At(&net.TCPAddr{IP: net.IPv4(192, 0, 2, address)}))))
}

// tally counts failures by their reasons.
type tally map[access.Reason]int

func (y tally) Failed(why access.Reason) { y[why]++ }

func TestWhoFailsOftenIsLookedAtNoMore(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, known := create(t, pool, backend())
	database := &countingDatabase{Database: pool}
	gate := access.NewGate(newKeyring(t, database), nil, nil, access.Cookies{}, make(tally))
	_, recent := create(t, pool, backend())
	made := strings.Replace(known, known[4:8], "0000", 1)
	for n := range 20 {
		_, err := gate.Identify(requestFrom(1, []string{"Bearer " + made, "bearer llk_"}[n%2]))
		require.ErrorIs(t, err, access.ErrUnknown)
	}
	before := database.queries

	for _, wrong := range []string{"Bearer " + made, "Bearer " + recent} {
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
	gate := access.NewGate(newKeyring(t, pool), nil, nil, access.Cookies{}, make(tally))
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
	gate := access.NewGate(newKeyring(t, pool), nil, nil, access.Cookies{}, make(tally))
	good := "Bearer " + known
	for _, several := range [][]string{{good, good}, {good, "Basic x"}, {"Basic x", good}, {"", good}, {good, ""}} {
		request := requestFrom(1, "")
		request.Header["Authorization"] = several
		_, err := gate.Identify(request)
		require.ErrorIs(t, err, access.ErrUnknown, "%q", strings.ReplaceAll(strings.Join(several, "; "), known, "KEY"))
	}
}

// An app whose token has expired must hear so, or it would send it again instead of getting a
// new one. And it may share its address with a school.
func TestWhatNobodyIsAskedAboutIsNoFailure(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	ring := newKeyring(t, pool)
	_, recent := create(t, pool, backend())
	gate := access.NewGate(ring, tokens{"a.b.c"}, nil, access.Cookies{}, make(tally))
	for _, wrong := range []string{"Bearer expired", "Basic " + recent, "Bearer", "x"} {
		for range 30 {
			_, err := gate.Identify(requestFrom(1, wrong))
			require.ErrorIs(t, err, access.ErrUnknown, wrong)
		}
	}
	_, err := gate.Identify(requestFrom(1, "Bearer "+recent))
	require.NoError(t, err, "another key at the address is looked up")

	_, later := create(t, pool, backend())
	for range 30 {
		_, _ = gate.Identify(requestFrom(2, "Bearer llk_"))
	}
	_, err = gate.Identify(requestFrom(2, "Bearer expired"))
	require.ErrorIs(t, err, access.ErrUnknown, "others' guesses don't hide it")
	_, err = gate.Identify(requestFrom(2, "Bearer "+later))
	assert.NotErrorIs(t, err, access.ErrUnknown)
	assert.Error(t, err)
}

// Pages ask again and again with the cookie that their browser has.
func TestASessionThatHasEndedIsNoGuess(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	ring := newKeyring(t, pool)
	_, key := create(t, pool, backend())
	sessions := newSessions(pool, ring)
	gate := access.NewGate(ring, nil, sessions, access.Cookies{}, make(tally))
	begun, err := sessions.BeginWithKey(t.Context(), key)
	require.NoError(t, err)
	request := requestFrom(1, "")
	request.AddCookie(&http.Cookie{Name: "learninglog", Value: begun.Secret})
	_, err = gate.Identify(request)
	require.NoError(t, err)
	require.NoError(t, sessions.End(t.Context(), begun.Secret))
	for range 100 {
		_, err := gate.Identify(request)
		require.ErrorIs(t, err, access.ErrUnknown)
	}

	_, recent := create(t, pool, backend())
	_, err = gate.Identify(requestFrom(1, "Bearer "+recent))

	assert.NoError(t, err, "another key at the address is looked up")
}

// Logins that are finished at the same time must not all be tried before one has counted.
func TestLoginsElsewhereTakeTurnsAndCount(t *testing.T) {
	t.Parallel()
	gate := access.NewGate(nil, nil, nil, access.Cookies{}, make(tally))
	var oneAtATime sync.Mutex
	gate.LoginTurn = func(context.Context) (func(), error) {
		oneAtATime.Lock()
		return oneAtATime.Unlock, nil
	}
	ctx, tried := requestFrom(1, "").Context(), 0
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_ = gate.TryLogin(ctx, func() error {
				tried++
				return access.ErrUnknown
			})
		})
	}
	all.Wait()
	assert.GreaterOrEqual(t, tried, 20)
	assert.Less(t, tried, 30)
	require.NoError(t, gate.TryLogin(requestFrom(2, "").Context(), func() error { return nil }), "at another address")
}

func TestMadeUpSessionsLockNobodyOut(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	ring := newKeyring(t, pool)
	_, key := create(t, pool, backend())
	sessions := access.NewSessions(pool, ring, "", slog.New(slog.DiscardHandler))
	gate := access.NewGate(ring, nil, sessions, access.Cookies{}, make(tally))
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

	assert.Greater(t, limited, 100)
	found, err := gate.Identify(good)
	require.NoError(t, err)
	assert.Equal(t, "key 1 (backend)", found.Name)
	require.NoError(t, gate.IsStillKnown(good))
	_, err = access.NewKeys(pool).Revoke(t.Context(), 1)
	require.NoError(t, err)
	require.NoError(t, ring.Follow(t.Context()))
	assert.ErrorIs(t, gate.IsStillKnown(good), access.ErrUnknown, "however much fails at the address")
}

func TestTheObserverHearsWhyCredentialsAreWorthNothing(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, good := create(t, pool, backend())
	revoked, revokedSecret := create(t, pool, backend())
	ring := newKeyring(t, pool)
	sessions := access.NewSessions(pool, ring, "", slog.New(slog.DiscardHandler))
	ofRevoked, err := sessions.BeginWithKey(t.Context(), revokedSecret)
	require.NoError(t, err)
	_, err = ring.Revoke(t.Context(), revoked.ID)
	require.NoError(t, err)
	expired, expiredSecret := create(t, pool, backend())
	_, err = pool.Exec(t.Context(), `UPDATE learninglog_keys SET expires_at = now() WHERE key_id = $1`, expired.ID)
	require.NoError(t, err)
	_, unknown := create(t, pgtest.Pool(t), backend())
	heard := make(tally)
	gate := access.NewGate(ring, tokens{"a.b.c"}, sessions, access.Cookies{}, heard)
	withoutTokens := access.NewGate(ring, nil, sessions, access.Cookies{}, heard)
	told := make(map[string]bool)
	address := byte(0) // another one each time
	fails := func(gate *access.Gate, why access.Reason, authorization, session string) {
		before := heard[why]
		address++
		request := requestFrom(address, authorization)
		request.AddCookie(&http.Cookie{Name: "learninglog", Value: session})
		_, err := gate.Identify(request)
		require.ErrorIs(t, err, access.ErrUnknown)
		assert.Equal(t, before+1, heard[why], "%s: %v", why, heard)
		told[err.Error()] = true
	}

	fails(gate, access.Malformed, "Basic "+good, "")
	fails(gate, access.Malformed, "Bearer "+good[:len(good)-1], "")
	fails(withoutTokens, access.Malformed, "Bearer d.e.f", "")
	fails(gate, access.WrongToken, "Bearer d.e.f", "")
	fails(gate, access.Unknown, "Bearer "+unknown, "")
	fails(gate, access.Expired, "Bearer "+expiredSecret, "")
	fails(gate, access.Revoked, "Bearer "+revokedSecret, "")
	fails(gate, access.Revoked, "", ofRevoked.Secret)
	fails(gate, access.NoSession, "", strings.Repeat("0", 43))
	_, err = gate.BeginSession(requestFrom(100, "").Context(), revokedSecret)
	require.ErrorIs(t, err, access.ErrUnknown)
	for range 22 {
		_, _ = gate.Identify(requestFrom(101, "Bearer "+unknown))
	}
	_, err = gate.Identify(requestFrom(102, "Bearer "+good))
	require.NoError(t, err)
	_, err = gate.Identify(requestFrom(102, ""))
	require.NoError(t, err)
	require.ErrorIs(t, gate.IsStillKnown(requestFrom(102, "Bearer "+revokedSecret)), access.ErrUnknown)

	assert.Equal(t, tally{
		access.Malformed: 3, access.WrongToken: 1, access.Unknown: 1 + 20, access.Expired: 1, access.Revoked: 2 + 1,
		access.NoSession: 1, access.HeldUp: 2,
	}, heard)
	assert.Len(t, told, 1, "those who fail are told the same: %v", told)
}
