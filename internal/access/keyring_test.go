package access_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/pgtest"
)

func newKeyring(t *testing.T, database access.Database) *access.Keyring {
	t.Helper()
	ring := access.NewKeyring(database, 0, slog.New(slog.DiscardHandler))
	require.NoError(t, ring.Load(t.Context()))
	return ring
}

func backend() access.NewKey {
	return access.NewKey{Name: "backend", Scopes: []access.Scope{access.WriteLogs}}
}

func create(t *testing.T, pool *pgxpool.Pool, wanted access.NewKey) (access.Key, string) {
	t.Helper()
	require.NoError(t, wanted.Check(time.Now()))
	key, secret, err := access.NewKeys(pool).Create(t.Context(), wanted)
	require.NoError(t, err)
	return key, secret
}

func TestAKeyIsWhatItWasCreatedTo(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	ring := newKeyring(t, pool)
	learner := uuid.New()

	key, secret := create(t, pool, access.NewKey{
		Name: "phone", Scopes: []access.Scope{access.WriteLogs, access.ReadLogs}, UserID: &learner, LogsPerSecond: 5,
	})

	assert.Regexp(t, `^llk_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$`, secret)
	assert.Equal(t, secret[:8], key.Beginning)
	identity, err := ring.Find(t.Context(), secret)
	require.NoError(t, err, "at once, though it was created after the keyring was read")
	assert.Equal(t, "key 1 (phone)", identity.Name)
	assert.Equal(t, "key 1", identity.Caller.String())
	assert.Equal(t, key.Scopes, identity.Scopes)
	assert.True(t, identity.Knows(learner))
	assert.False(t, identity.Knows(uuid.New()))
	assert.InEpsilon(t, 5, float64(identity.Pace.Limit()), 0)
	again, err := ring.Find(t.Context(), secret)
	require.NoError(t, err)
	assert.Same(t, identity, again)
}

// The database must not be asked about what can't be a key, and not without bounds about
// what can.
func TestWhatIsNoKeyIsUnknown(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, secret := create(t, pool, backend())
	database := &countingDatabase{Database: pool}
	ring := newKeyring(t, database)
	before := database.queries
	for _, text := range []string{
		"", "llk_", strings.ToLower(secret), secret + "0", secret[:len(secret)-1], secret[:len(secret)-1] + "é",
		"llk_" + strings.Repeat("0", 43) + "_000000", strings.Repeat("x", 1<<20),
	} {
		_, err := ring.Find(t.Context(), text)
		require.ErrorIs(t, err, access.ErrUnknown, "%.60s", text)
	}
	assert.Equal(t, before, database.queries)

	others := pgtest.Pool(t)
	_, unknown := create(t, others, backend())
	notLookedUp := 0
	for range 1000 {
		_, err := ring.Find(t.Context(), unknown)
		if errors.Is(err, access.ErrNotLookedUp) { // it may be good: its client must not throw it away
			notLookedUp++
			continue
		}
		require.ErrorIs(t, err, access.ErrUnknown)
	}
	assert.Greater(t, notLookedUp, 800)
	assert.Equal(t, 1000-notLookedUp, database.queries-before)
}

func TestKeysThatEndAreUnknown(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	here, elsewhere := newKeyring(t, pool), newKeyring(t, pool)
	keys := access.NewKeys(pool)
	key, secret := create(t, pool, backend())
	for _, ring := range []*access.Keyring{here, elsewhere} {
		_, err := ring.Find(t.Context(), secret)
		require.NoError(t, err)
	}
	soon := backend()
	soon.ExpiresAt = new(time.Now().Add(3 * time.Second))
	_, expiring := create(t, pool, soon)
	_, err := here.Find(t.Context(), expiring)
	require.NoError(t, err)

	revoked, err := keys.Revoke(t.Context(), key.ID)
	require.NoError(t, err)
	assert.Equal(t, "revoked", revoked.State(time.Now()))
	require.NoError(t, elsewhere.Follow(t.Context()))
	_, err = elsewhere.Find(t.Context(), secret)
	require.ErrorIs(t, err, access.ErrUnknown)
	require.Eventually(t, func() bool {
		_, err := here.Find(t.Context(), expiring)
		return errors.Is(err, access.ErrUnknown)
	}, time.Minute, 10*time.Millisecond, "nothing needs to be read for it to expire")

	_, err = keys.Revoke(t.Context(), key.ID+100)
	assert.ErrorIs(t, err, access.ErrNotFound)
}

func TestRotatedKeysOverlap(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	ring, keys := newKeyring(t, pool), access.NewKeys(pool)
	wanted := backend()
	wanted.ExpiresAt = new(time.Now().Add(48 * time.Hour))
	old, oldSecret := create(t, pool, wanted)

	made, newSecret, err := keys.Rotate(t.Context(), old.ID, time.Hour)

	require.NoError(t, err)
	assert.Equal(t, old.Name, made.Name)
	assert.Equal(t, old.Scopes, made.Scopes)
	assert.WithinDuration(t, time.Now().Add(48*time.Hour), *made.ExpiresAt, time.Minute, "for as long as the old one was")
	for _, secret := range []string{oldSecret, newSecret} {
		_, err := ring.Find(t.Context(), secret)
		assert.NoError(t, err)
	}
	listed, err := keys.List(t.Context())
	require.NoError(t, err)
	require.Len(t, listed, 2)
	assert.WithinDuration(t, time.Now().Add(time.Hour), *listed[1].ExpiresAt, time.Minute)

	_, err = keys.Revoke(t.Context(), old.ID)
	require.NoError(t, err)
	_, _, err = keys.Rotate(t.Context(), old.ID, time.Hour)
	assert.ErrorIs(t, err, access.ErrNotFound, "what is revoked stays so")
}

func TestAKeyThatWasRotatedLastsAsLongEachTime(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	keys := access.NewKeys(pool)
	unlimited, _ := create(t, pool, backend())
	limited := backend()
	limited.ExpiresAt = new(time.Now().Add(48 * time.Hour))
	expiring, _ := create(t, pool, limited)
	for range 2 {
		made, _, err := keys.Rotate(t.Context(), unlimited.ID, time.Hour)
		require.NoError(t, err)
		assert.Nil(t, made.ExpiresAt)
		made, _, err = keys.Rotate(t.Context(), expiring.ID, time.Hour)
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now().Add(48*time.Hour), *made.ExpiresAt, time.Minute)
	}
}

// As after a failover to a database whose clock is behind.
func TestAKeyStaysRevokedWhateverTheClocksSay(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	key, secret := create(t, pool, backend())
	change := func(sql string) {
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	change(`UPDATE learninglog_keys SET changed_at = now() + interval '1 hour'`)
	ring := newKeyring(t, pool)
	_, err := access.NewKeys(pool).Revoke(t.Context(), key.ID)
	require.NoError(t, err)
	require.NoError(t, ring.Load(t.Context()))
	_, err = ring.Find(t.Context(), secret)
	require.ErrorIs(t, err, access.ErrUnknown)

	_, secret = create(t, pool, backend())
	change(`UPDATE learninglog_keys SET changed_at = now() + interval '1 hour'`)
	ring = newKeyring(t, pool)
	change(`UPDATE learninglog_keys SET revoked_at = now(), changed_at = now()`) // as if its last change were lost
	require.NoError(t, ring.Load(t.Context()))
	_, err = ring.Find(t.Context(), secret)
	assert.ErrorIs(t, err, access.ErrUnknown)
}

func TestARotatedKeyEndsWhateverTheClocksSay(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	key, secret := create(t, pool, backend())
	_, err := pool.Exec(t.Context(), `UPDATE learninglog_keys SET changed_at = now() + interval '1 hour'`)
	require.NoError(t, err)
	ring := newKeyring(t, pool)

	_, _, err = access.NewKeys(pool).Rotate(t.Context(), key.ID, 0)

	require.NoError(t, err)
	require.NoError(t, ring.Load(t.Context()))
	_, err = ring.Find(t.Context(), secret)
	assert.ErrorIs(t, err, access.ErrUnknown)
}

// As after a back-up was restored in which the key isn't yet.
func TestAKeyWhoseRowIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, gone := create(t, pool, backend())
	_, there := create(t, pool, backend())
	ring := newKeyring(t, pool)
	_, err := pool.Exec(t.Context(), `DELETE FROM learninglog_keys WHERE key_id = 1`)
	require.NoError(t, err)

	require.NoError(t, ring.Load(t.Context()))

	_, err = ring.Find(t.Context(), gone)
	require.ErrorIs(t, err, access.ErrUnknown)
	_, err = ring.Find(t.Context(), there)
	assert.NoError(t, err)
}

func TestKnownKeysStayKnownWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, secret := create(t, pool, backend())
	database := &countingDatabase{Database: pool}
	ring := newKeyring(t, database)
	database.away = true

	require.Error(t, ring.Follow(t.Context()))

	_, err := ring.Find(t.Context(), secret)
	require.NoError(t, err)
	_, other := create(t, pool, backend())
	_, err = ring.Find(t.Context(), other)
	assert.NotErrorIs(t, err, access.ErrUnknown, "nobody can say that it is no key")
}

// One query that never ends would keep a keyring from learning what is revoked.
func TestKeysAreReadAgainThoughTheDatabaseHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hanging := new(hangingDatabase)
		ring := access.NewKeyring(hanging, 0, slog.New(slog.DiscardHandler))
		ctx, end := context.WithCancel(t.Context())
		go ring.Run(ctx)
		time.Sleep(10 * time.Minute)
		end()
		synctest.Wait()
		assert.Greater(t, hanging.queries, 100)
	})
}

func TestItIsNotedWhenAKeyWasUsed(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	ring := newKeyring(t, pool)
	_, secret := create(t, pool, backend())
	_, _ = create(t, pool, backend())
	_, err := ring.Find(t.Context(), secret)
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	end()

	ring.Run(ctx)

	listed, err := access.NewKeys(pool).List(t.Context())
	require.NoError(t, err)
	require.Len(t, listed, 2)
	assert.Nil(t, listed[0].LastUsedAt)
	require.NotNil(t, listed[1].LastUsedAt)
	assert.WithinDuration(t, time.Now(), *listed[1].LastUsedAt, time.Minute)
}

func TestWhatAKeyMustBe(t *testing.T) {
	t.Parallel()
	learner := uuid.New()
	for _, test := range []struct {
		wrong  access.Field
		change func(*access.NewKey)
	}{
		{access.FieldName, func(k *access.NewKey) { k.Name = " " }},
		{access.FieldName, func(k *access.NewKey) { k.Name = strings.Repeat("x", 101) }},
		{access.FieldName, func(k *access.NewKey) { k.Name = "a\nb" }},
		{access.FieldScopes, func(k *access.NewKey) { k.Scopes = nil }},
		{access.FieldScopes, func(k *access.NewKey) { k.Scopes = append(k.Scopes, k.Scopes...) }},
		{access.FieldScopes, func(k *access.NewKey) { k.Scopes = []access.Scope{access.Open} }},
		{access.FieldScopes, func(k *access.NewKey) { k.UserID, k.Scopes = &learner, []access.Scope{access.ManageKeys} }},
		{access.FieldLogsPerSecond, func(k *access.NewKey) { k.LogsPerSecond = -1 }},
		{access.FieldExpiresAt, func(k *access.NewKey) { k.ExpiresAt = new(time.Now()) }},
		{access.FieldExpiresAt, func(k *access.NewKey) { k.ExpiresAt = new(time.Time) }},
	} {
		wanted := backend()
		test.change(&wanted)
		wrong, ok := errors.AsType[*access.InvalidError](wanted.Check(time.Now()))
		require.True(t, ok)
		assert.Equal(t, test.wrong, wrong.Field)
		assert.Contains(t, wrong.Message, "must be")
	}
}

// countingDatabase counts queries, and can be away.
type countingDatabase struct {
	access.Database

	queries int
	away    bool
}

func (d *countingDatabase) Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error) {
	d.queries++
	if d.away {
		return nil, errors.New("the database is away")
	}
	return d.Database.Query(ctx, sql, arguments...)
}

// hangingDatabase answers nothing. It counts what is asked.
type hangingDatabase struct {
	access.Database

	queries int
}

func (d *hangingDatabase) Query(ctx context.Context, _ string, _ ...any) (pgx.Rows, error) {
	d.queries++
	<-ctx.Done()
	return nil, ctx.Err()
}

func BenchmarkFind(b *testing.B) {
	pool := pgtest.Pool(b)
	_, secret, err := access.NewKeys(pool).Create(b.Context(), backend())
	require.NoError(b, err)
	ring := access.NewKeyring(pool, 0, slog.New(slog.DiscardHandler))
	require.NoError(b, ring.Load(b.Context()))
	for b.Loop() {
		_, err := ring.Find(b.Context(), secret)
		require.NoError(b, err)
	}
}
