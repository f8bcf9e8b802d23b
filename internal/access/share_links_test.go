package access_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/pgtest"
)

// counted counts what was worth nothing, by why.
type counted struct {
	mu     sync.Mutex
	counts map[access.Reason]int
}

func (c *counted) Failed(why access.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[access.Reason]int)
	}
	c.counts[why]++
}

func newShareLinks(database access.ShareDatabase) *access.ShareLinks {
	return access.NewShareLinks(database, new(counted), slog.New(slog.DiscardHandler))
}

func forADay(learner uuid.UUID) access.NewShareLink {
	return access.NewShareLink{UserID: learner, Name: "Grandma", ExpiresAt: time.Now().Add(24 * time.Hour)}
}

func TestAShareLinkShowsOnePageAndNothingElse(t *testing.T) {
	t.Parallel()
	pool, learner := pgtest.Pool(t), uuid.New()
	link, secret, err := newShareLinks(pool).Create(t.Context(), forADay(learner))
	require.NoError(t, err)

	found, err := newShareLinks(pool).Open(t.Context(), secret)

	require.NoError(t, err)
	assert.Equal(t, &learner, found.Learner)
	assert.Equal(t, []access.Scope{access.SeePage}, found.Scopes)
	assert.Equal(t, fmt.Sprintf("share link %d", link.ID), found.Name)
	for _, scope := range access.Scopes() {
		assert.False(t, found.May(scope), scope)
	}
	assert.NotContains(t, access.Scopes(), access.SeePage, "no key has it")
	_, err = access.NewKeyring(pool, 0, slog.New(slog.DiscardHandler)).Find(t.Context(), secret)
	require.ErrorIs(t, err, access.ErrUnknown, "it is no key")
}

func TestTheSecretOfAShareLinkIsNotStored(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, secret, err := newShareLinks(pool).Create(t.Context(), forADay(uuid.New()))
	require.NoError(t, err)
	rows, err := pool.Query(t.Context(), `SELECT l::text FROM learninglog_share_links AS l`)
	require.NoError(t, err)
	stored, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	require.NoError(t, err)
	assert.NotContains(t, stored, secret[4:])
	assert.Len(t, secret, 54)
}

func TestALearnerNeverHasTooManyShareLinks(t *testing.T) {
	t.Parallel()
	pool, learner := pgtest.Pool(t), uuid.New()
	links := newShareLinks(pool)
	var creating sync.WaitGroup
	var mu sync.Mutex
	created, refused := 0, 0
	for range access.MaxShareLinks + 10 {
		creating.Go(func() {
			_, _, err := links.Create(t.Context(), forADay(learner))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				created++
			case errors.Is(err, access.ErrTooManyShareLinks):
				refused++
			default:
				assert.NoError(t, err)
			}
		})
	}
	creating.Wait()
	assert.Equal(t, access.MaxShareLinks, created)
	assert.Equal(t, 10, refused)

	_, _, err := links.Create(t.Context(), forADay(uuid.New()))
	require.NoError(t, err, "others may")
	expire(t, pool, learner)
	_, _, err = links.Create(t.Context(), forADay(learner))
	require.NoError(t, err, "those that have expired don't count")
	listed, err := links.List(t.Context(), learner)
	require.NoError(t, err)
	assert.Len(t, listed, 1)
}

func expire(t *testing.T, pool *pgxpool.Pool, learner uuid.UUID) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `
		UPDATE learninglog_share_links SET created_at = now() - interval '2 days', expires_at = now() - interval '1 day'
		WHERE user_id = $1`, learner)
	require.NoError(t, err)
}

func TestShareLinksThatHaveExpiredAreDeleted(t *testing.T) {
	t.Parallel()
	pool, gone, staying := pgtest.Pool(t), uuid.New(), uuid.New()
	links := newShareLinks(pool)
	for _, learner := range []uuid.UUID{gone, gone, staying} {
		_, _, err := links.Create(t.Context(), forADay(learner))
		require.NoError(t, err)
	}
	expire(t, pool, gone)

	require.NoError(t, links.DeleteExpired(t.Context()))

	rows, err := pool.Query(t.Context(), `SELECT user_id FROM learninglog_share_links`)
	require.NoError(t, err)
	left, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(t, err)
	assert.Equal(t, []uuid.UUID{staying}, left)
}

func TestAShareLinkEndsWithTheLearner(t *testing.T) {
	t.Parallel()
	pool, learner := pgtest.Pool(t), uuid.New()
	links := newShareLinks(pool)
	_, secret, err := links.Create(t.Context(), forADay(learner))
	require.NoError(t, err)
	_, err = links.Open(t.Context(), secret)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `INSERT INTO learninglog_erased_users (user_id) VALUES ($1)`, learner)
	require.NoError(t, err)

	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return access.Forget(t.Context(), tx, learner) }))

	_, err = links.Open(t.Context(), secret)
	require.ErrorIs(t, err, access.ErrUnknown)
	_, _, err = links.Create(t.Context(), forADay(learner))
	assert.ErrorIs(t, err, access.ErrErased)
}

// Otherwise the link would be made after everything of the learner was deleted.
func TestWhoeverMakesAShareLinkSeesAnErasureThatDoesNotWaitForIt(t *testing.T) {
	t.Parallel()
	pool, learner := pgtest.Pool(t), uuid.New()
	blocker, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = blocker.Rollback(context.Background()) }()
	_, err = blocker.Exec(t.Context(), `LOCK TABLE learninglog_share_links IN SHARE MODE`)
	require.NoError(t, err)
	created := make(chan error, 1)
	go func() {
		_, _, err := newShareLinks(pool).Create(context.Background(), forADay(learner))
		created <- err
	}()
	require.Eventually(t, func() bool { return pgtest.Waiting(t, pool, 0) == 1 }, 30*time.Second, time.Millisecond)
	_, err = pool.Exec(t.Context(), `INSERT INTO learninglog_erased_users (user_id) VALUES ($1)`, learner)
	require.NoError(t, err)

	require.NoError(t, blocker.Rollback(t.Context()))

	require.ErrorIs(t, <-created, access.ErrErased)
}

// unwritable is a database that can only be read, as a standby.
type unwritable struct{ access.ShareDatabase }

func (unwritable) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, errors.New("read-only")
}

func TestAShareLinkIsGoodWhereItsUseCannotBeNoted(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, secret, err := newShareLinks(pool).Create(t.Context(), forADay(uuid.New()))
	require.NoError(t, err)
	_, err = newShareLinks(unwritable{pool}).Open(t.Context(), secret)
	assert.NoError(t, err)
}

func TestWhatIsNoShareLinkIsUnknown(t *testing.T) {
	t.Parallel()
	pool, learner := pgtest.Pool(t), uuid.New()
	_, key, err := access.NewKeys(pool).Create(t.Context(), access.NewKey{Name: "x", Scopes: access.Scopes()})
	require.NoError(t, err)
	_, secret, err := newShareLinks(pool).Create(t.Context(), forADay(learner))
	require.NoError(t, err)
	heard := new(counted)
	links := access.NewShareLinks(pool, heard, slog.New(slog.DiscardHandler))
	for _, wrong := range []string{"", "x", key, "lls_" + key[4:], secret + "x", secret[:53], strings.ToUpper(secret), strings.Repeat("x", 10_000)} {
		_, err := links.Open(t.Context(), wrong)
		require.ErrorIs(t, err, access.ErrUnknown, wrong)
	}
	assert.Equal(t, map[access.Reason]int{access.Malformed: 7, access.Unknown: 1}, heard.counts)
	_, err = links.Open(t.Context(), secret)
	require.NoError(t, err)
	expire(t, pool, learner)
	_, err = links.Open(t.Context(), secret)
	assert.ErrorIs(t, err, access.ErrUnknown)
}

func TestALogHasNoShareLink(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/":                          "/",
		"/users/x":                   "/users/x",
		"/shared":                    "/shared",
		"/shared/lls_abc":            "/shared/…",
		"/shared/x/streak.svg":       "/shared/…",
		"/x/lls_abc":                 "/shared/…",
		"//shared//lls_abc/and/more": "/shared/…",
	} {
		assert.Equal(t, want, access.Unsecret(path), path)
	}
}
