package access_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/pgtest"
)

// issuer is where people log in.
const issuer = "https://login.example.com"

func newSessions(database access.Database, keys *access.Keyring) *access.Sessions {
	return access.NewSessions(database, keys, issuer, slog.New(slog.DiscardHandler))
}

func expiryOfTheOnlySession(t *testing.T, pool *pgxpool.Pool) time.Time {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT expires_at FROM learninglog_sessions`)
	require.NoError(t, err)
	at, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[time.Time])
	require.NoError(t, err)
	return at
}

func TestASessionIsWhoseItWasBegunFor(t *testing.T) {
	t.Parallel()
	learner := uuid.New()
	for _, test := range []struct {
		person access.Person
		lasts  time.Duration
		want   access.Identity
	}{
		{
			access.Person{UserID: learner},
			30 * 24 * time.Hour,
			access.Identity{Name: "learner " + learner.String(), Scopes: []access.Scope{access.WriteLogs, access.ReadLogs}, Learner: &learner},
		},
		{
			access.Person{Name: "B\nen", Subject: "2", Operator: true, UserID: learner},
			12 * time.Hour,
			access.Identity{Name: "operator Ben (sub 2)", Scopes: access.Scopes()},
		},
		{
			access.Person{Name: strings.Repeat("é", 1000), Subject: strings.Repeat("s", 255), Operator: true},
			12 * time.Hour,
			access.Identity{Name: "operator " + strings.Repeat("é", 40) + " (sub " + strings.Repeat("s", 240) + ")", Scopes: access.Scopes()},
		},
	} {
		pool := pgtest.Pool(t)
		sessions := newSessions(pool, nil)

		begun, err := sessions.Begin(t.Context(), test.person)

		require.NoError(t, err)
		assert.Equal(t, test.lasts, begun.Lasts)
		assert.WithinDuration(t, time.Now().Add(test.lasts), expiryOfTheOnlySession(t, pool), time.Minute)
		found, err := newSessions(pool, nil).Find(t.Context(), begun.Secret)
		require.NoError(t, err)
		assert.Equal(t, test.want.Name, found.Name)
		assert.ElementsMatch(t, test.want.Scopes, found.Scopes)
		assert.Equal(t, test.want.Learner, found.Learner)
		assert.NotEqual(t, "local", found.Caller.String(), "fair shares are counted for the person")
	}
}

// People can choose their names, so nothing is counted or recorded by these alone.
func TestOperatorsOfOneNameAreToldApart(t *testing.T) {
	t.Parallel()
	sessions := newSessions(pgtest.Pool(t), nil)
	find := func(subject string) *access.Identity {
		begun, err := sessions.Begin(t.Context(), access.Person{Name: "Ben", Subject: subject, Operator: true})
		require.NoError(t, err)
		found, err := sessions.Find(t.Context(), begun.Secret)
		require.NoError(t, err)
		return found
	}
	one, again, other := find("1"), find("1"), find("2")
	assert.Equal(t, one, again)
	assert.NotEqual(t, one.Name, other.Name)
	assert.NotEqual(t, one.Caller, other.Caller)
}

func TestTheSecretOfASessionIsNotStored(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	begun, err := newSessions(pool, nil).Begin(t.Context(), access.Person{UserID: uuid.New()})
	require.NoError(t, err)
	rows, err := pool.Query(t.Context(), `SELECT s::text FROM learninglog_sessions AS s`)
	require.NoError(t, err)
	stored, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	require.NoError(t, err)
	assert.NotContains(t, stored, begun.Secret)
	assert.Len(t, begun.Secret, 43)
}

func TestSessionsThatEndAreUnknownEverywhereAtOnce(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	here, elsewhere := newSessions(pool, nil), newSessions(pool, nil)
	begun, err := here.Begin(t.Context(), access.Person{UserID: uuid.New()})
	require.NoError(t, err)
	other, err := here.Begin(t.Context(), access.Person{Name: "Ben", Subject: "2", Operator: true})
	require.NoError(t, err)
	_, err = elsewhere.Find(t.Context(), begun.Secret)
	require.NoError(t, err)

	require.NoError(t, here.End(t.Context(), begun.Secret))

	_, err = elsewhere.Find(t.Context(), begun.Secret)
	require.ErrorIs(t, err, access.ErrUnknown)
	_, err = elsewhere.Find(t.Context(), other.Secret)
	require.NoError(t, err, "only the one")
	assert.NoError(t, here.End(t.Context(), begun.Secret), "it can end twice")
}

func TestSessionsThatHaveExpiredAreUnknownAndDeleted(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	sessions := newSessions(pool, nil)
	expired, err := sessions.Begin(t.Context(), access.Person{UserID: uuid.New()})
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `UPDATE learninglog_sessions SET expires_at = now()`)
	require.NoError(t, err)
	going, err := sessions.Begin(t.Context(), access.Person{Name: "Ben", Subject: "2", Operator: true})
	require.NoError(t, err)
	_, err = sessions.Find(t.Context(), expired.Secret)
	require.ErrorIs(t, err, access.ErrUnknown)

	require.NoError(t, sessions.DeleteExpired(t.Context()))

	assert.WithinDuration(t, time.Now().Add(12*time.Hour), expiryOfTheOnlySession(t, pool), time.Minute)
	_, err = sessions.Find(t.Context(), going.Secret)
	assert.NoError(t, err)
}

func TestASessionOfAKeyIsWorthWhatTheKeyIs(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	ring := newKeyring(t, pool)
	key, secret := create(t, pool, backend())

	begun, err := newSessions(pool, ring).BeginWithKey(t.Context(), secret)

	require.NoError(t, err)
	assert.Equal(t, 12*time.Hour, begun.Lasts)
	elsewhere := newKeyring(t, &countingDatabase{Database: pool})
	found, err := newSessions(pool, elsewhere).Find(t.Context(), begun.Secret)
	require.NoError(t, err)
	ofKey, err := elsewhere.Find(t.Context(), secret)
	require.NoError(t, err)
	assert.Same(t, ofKey, found, "with the same pace, too")

	_, err = newSessions(pool, nil).Find(t.Context(), begun.Secret)
	require.ErrorIs(t, err, access.ErrUnknown, "where keys are worth nothing")
	_, err = access.NewKeys(pool).Revoke(t.Context(), key.ID)
	require.NoError(t, err)
	require.NoError(t, elsewhere.Follow(t.Context()))
	_, err = newSessions(pool, elsewhere).Find(t.Context(), begun.Secret)
	assert.ErrorIs(t, err, access.ErrUnknown)
}

// A key that was created after a service has read them all begins a session at another.
func TestASessionOfANewKeyIsKnownByServicesThatDontKnowTheKeyYet(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	elsewhere := newKeyring(t, pool)
	_, secret := create(t, pool, backend())
	begun, err := newSessions(pool, newKeyring(t, pool)).BeginWithKey(t.Context(), secret)
	require.NoError(t, err)

	_, err = newSessions(pool, elsewhere).Find(t.Context(), begun.Secret)

	assert.NoError(t, err)
}

// Otherwise whoever logged in at a provider that was found to be compromised would stay in
// after it was turned off.
func TestSessionsOfPeopleCountOnlyWhereTheyLogIn(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	ring := newKeyring(t, pool)
	begun, err := newSessions(pool, ring).Begin(t.Context(), access.Person{Name: "Ben", Subject: "2", Operator: true})
	require.NoError(t, err)
	for other, issuer := range map[string]string{"another provider": "https://other.example.com", "keys alone": ""} {
		sessions := access.NewSessions(pool, ring, issuer, slog.New(slog.DiscardHandler))
		_, err := sessions.Find(t.Context(), begun.Secret)
		require.ErrorIs(t, err, access.ErrUnknown, other)
	}
	_, secret := create(t, pool, backend())
	keysAlone := access.NewSessions(pool, ring, "", slog.New(slog.DiscardHandler))
	ofKey, err := keysAlone.BeginWithKey(t.Context(), secret)
	require.NoError(t, err)
	_, err = keysAlone.Find(t.Context(), ofKey.Secret)
	require.NoError(t, err)
	_, err = keysAlone.Begin(t.Context(), access.Person{Name: "Ben", Subject: "2", Operator: true})
	assert.Error(t, err, "nobody logs in")
}

func TestNothingIsAskedForASessionBeforeItsTurn(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, key := create(t, pool, backend())
	database := &countingDatabase{Database: pool}
	sessions := newSessions(database, newKeyring(t, pool))
	begun, err := sessions.BeginWithKey(t.Context(), key)
	require.NoError(t, err)
	turns := 0
	sessions.Turn = func(context.Context) (func(), error) {
		turns++
		return func() { turns-- }, nil
	}
	_, err = sessions.Find(t.Context(), begun.Secret)
	require.NoError(t, err)
	assert.Zero(t, turns, "it ended")

	errFull, before := errors.New("it is not their turn"), database.queries
	sessions.Turn = func(context.Context) (func(), error) { return nil, errFull }
	_, err = sessions.Find(t.Context(), begun.Secret)
	require.ErrorIs(t, err, errFull)
	_, err = sessions.Begin(t.Context(), access.Person{UserID: uuid.New()})
	require.ErrorIs(t, err, errFull)
	_, err = sessions.BeginWithKey(t.Context(), key)
	require.ErrorIs(t, err, errFull)
	require.ErrorIs(t, sessions.End(t.Context(), begun.Secret), errFull)
	assert.Equal(t, before, database.queries)
	sessions.Turn = nil
	_, err = sessions.Find(t.Context(), begun.Secret)
	assert.NoError(t, err, "it didn't end")
}

func TestAKeyThatIsUnknownBeginsNoSession(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, unknown := create(t, pgtest.Pool(t), backend())
	for _, key := range []string{"", "x", unknown} {
		_, err := newSessions(pool, newKeyring(t, pool)).BeginWithKey(t.Context(), key)
		require.ErrorIs(t, err, access.ErrUnknown)
	}
}

func TestNobodyCanTellWhoseASessionIsWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	begun, err := newSessions(pool, nil).Begin(t.Context(), access.Person{UserID: uuid.New()})
	require.NoError(t, err)

	_, err = newSessions(&countingDatabase{Database: pool, away: true}, nil).Find(t.Context(), begun.Secret)

	require.Error(t, err)
	assert.NotErrorIs(t, err, access.ErrUnknown)
}

func TestTheAuthorizationCountsMoreThanTheCookie(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	ring := newKeyring(t, pool)
	sessions := newSessions(pool, ring)
	_, secret := create(t, pool, backend())
	begun, err := sessions.Begin(t.Context(), access.Person{Name: "Ben", Subject: "2", Operator: true})
	require.NoError(t, err)
	gate := access.NewGate(ring, tokens{"a.b.c"}, sessions, access.Cookies{}, make(tally))
	for _, test := range []struct{ authorization, cookie, want string }{
		{"", "", ""},
		{"", begun.Secret, "operator Ben (sub 2)"},
		{"", "made up", "unknown"},
		{"", strings.Repeat("0", 43), "unknown"},
		{"Bearer " + secret, begun.Secret, "key 1 (backend)"},
		{"bearer  a.b.c ", begun.Secret, "operator of tokens (sub 3)"},
		{"Bearer other", begun.Secret, "unknown"},
		{"Basic " + secret, begun.Secret, "unknown"},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if test.authorization != "" {
			request.Header.Set("Authorization", test.authorization)
		}
		if test.cookie != "" {
			request.AddCookie(&http.Cookie{Name: "learninglog", Value: test.cookie})
		}
		found, err := gate.Identify(request)
		switch test.want {
		case "":
			require.NoError(t, err)
			assert.Nil(t, found)
		case "unknown":
			require.ErrorIs(t, err, access.ErrUnknown, "%+v", test)
		default:
			require.NoError(t, err, "%+v", test)
			assert.Equal(t, test.want, found.Name)
		}
	}
}

// tokens knows one token.
type tokens struct{ known string }

func (k tokens) Identify(_ context.Context, token string) (*access.Identity, error) {
	if token != k.known {
		return nil, access.ErrUnknown
	}
	return access.Person{Name: "of tokens", Subject: "3", Operator: true}.Identity(), nil
}

func TestCookiesAreForThisServiceAlone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		secure bool
		want   string
	}{
		{false, "learninglog=secret; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"},
		{true, "__Host-learninglog=secret; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"},
	} {
		cookies := access.Cookies{Secure: test.secure}
		answer := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)

		cookies.Set(answer, access.SessionCookie, "secret", time.Minute)

		assert.Equal(t, test.want, answer.Header().Get("Set-Cookie"))
		request.AddCookie(answer.Result().Cookies()[0])
		assert.Equal(t, "secret", cookies.Get(request, access.SessionCookie))
		assert.Empty(t, access.Cookies{Secure: !test.secure}.Get(request, access.SessionCookie))
		gone := httptest.NewRecorder()
		cookies.Set(gone, access.SessionCookie, "", 0)
		assert.Contains(t, gone.Header().Get("Set-Cookie"), "; Max-Age=0;")
	}
}

func TestAKeyHasSoManySessionsAndNoMore(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, key := create(t, pool, backend())
	sessions := access.NewSessions(pool, newKeyring(t, pool), "", slog.New(slog.DiscardHandler))
	first, err := sessions.BeginWithKey(t.Context(), key)
	require.NoError(t, err)
	for range 99 {
		_, err := sessions.BeginWithKey(t.Context(), key)
		require.NoError(t, err)
	}
	_, err = sessions.Find(t.Context(), first.Secret)
	require.NoError(t, err)

	last, err := sessions.BeginWithKey(t.Context(), key)
	require.NoError(t, err)

	_, err = sessions.Find(t.Context(), first.Secret)
	require.ErrorIs(t, err, access.ErrUnknown, "the oldest")
	_, err = sessions.Find(t.Context(), last.Secret)
	assert.NoError(t, err)
}

func TestAPersonHasSoManySessionsAndNoMore(t *testing.T) {
	t.Parallel()
	sessions := newSessions(pgtest.Pool(t), nil)
	begin := func(p access.Person) string {
		begun, err := sessions.Begin(t.Context(), p)
		require.NoError(t, err)
		return begun.Secret
	}
	isKnown := func(secret string) bool {
		_, err := sessions.Find(t.Context(), secret)
		return err == nil
	}
	for who, p := range map[string]access.Person{
		"a learner": {UserID: uuid.New()}, "an operator": {Name: "Ben", Subject: "2", Operator: true},
	} {
		others := []string{
			begin(access.Person{UserID: uuid.New()}), begin(access.Person{Name: "Ben", Subject: "3", Operator: true}),
		}
		first := begin(p)
		for range 99 {
			begin(p)
		}
		assert.True(t, isKnown(first), who)
		last := begin(p)
		assert.False(t, isKnown(first), "the oldest of %s", who)
		assert.True(t, isKnown(last), who)
		for _, other := range others {
			assert.True(t, isKnown(other), "that of another than %s", who)
		}
	}
}

// As SECURITY.md tells operators to.
func TestSessionsOfAPersonCanBeDeleted(t *testing.T) {
	t.Parallel()
	pool, learner := pgtest.Pool(t), uuid.New()
	sessions := newSessions(pool, nil)
	ofLearner, err := sessions.Begin(t.Context(), access.Person{UserID: learner})
	require.NoError(t, err)
	ofOperator, err := sessions.Begin(t.Context(), access.Person{Name: "Ben", Subject: "2", Operator: true})
	require.NoError(t, err)

	_, err = pool.Exec(t.Context(), `DELETE FROM learninglog_sessions WHERE user_id = '`+learner.String()+`' OR subject = '2'`)

	require.NoError(t, err)
	for _, begun := range []access.Session{ofLearner, ofOperator} {
		_, err := sessions.Find(t.Context(), begun.Secret)
		assert.ErrorIs(t, err, access.ErrUnknown)
	}
}
