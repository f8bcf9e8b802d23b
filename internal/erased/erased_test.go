package erased_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/erased"
	"learninglog/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func wasErased(t *testing.T, users *erased.Users, user uuid.UUID) bool {
	t.Helper()
	current, err := users.Current(t.Context())
	require.NoError(t, err)
	return current(user)
}

func execute(t *testing.T, pool *pgxpool.Pool, statement string, arguments ...any) {
	t.Helper()
	_, err := pool.Exec(t.Context(), statement, arguments...)
	require.NoError(t, err)
}

func TestWhoIsErasedAndWhoIsNotAnyMoreIsNoticed(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	users := erased.NewUsers(pool, slog.New(slog.DiscardHandler))
	changes := 0
	users.OnChange(func() { changes++ })
	one, other := uuid.New(), uuid.New()
	require.NoError(t, users.Read(t.Context()))
	assert.False(t, wasErased(t, users, one))

	// A list that was restored may have old times, and as many users as before.
	execute(t, pool, `INSERT INTO learninglog_erased_users (user_id, erased_at) VALUES ($1, '2020-01-01')`, one)
	require.NoError(t, users.Read(t.Context()))
	require.NoError(t, users.Read(t.Context()))
	assert.Equal(t, []bool{true, false}, []bool{wasErased(t, users, one), wasErased(t, users, other)})
	execute(t, pool, `UPDATE learninglog_erased_users SET user_id = $1`, other)
	require.NoError(t, users.Read(t.Context()))

	assert.Equal(t, []bool{false, true}, []bool{wasErased(t, users, one), wasErased(t, users, other)})
	assert.Equal(t, 3, changes, "only when something has changed")
}

// away is a database that can't be reached.
type away struct{ asked atomic.Int64 }

var errAway = errors.New("away")

func (a *away) Query(context.Context, string, ...any) (pgx.Rows, error) {
	a.asked.Add(1)
	return nil, errAway
}

func TestWhatIsKnownForTooLongIsWorthNothing(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	switching := &switching{database: pool}
	users := erased.NewUsers(switching, slog.New(slog.DiscardHandler))
	require.NoError(t, users.Read(t.Context()))
	switching.database = new(away)
	assert.False(t, wasErased(t, users, uuid.New()), "it is known by heart")

	erased.Age(users, erased.Known)
	_, err := users.Current(t.Context())

	assert.ErrorIs(t, err, errAway)
	switching.database = pool
	assert.False(t, wasErased(t, users, uuid.New()), "it asks by itself")
}

type switching struct {
	database interface {
		Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	}
}

func (s *switching) Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error) {
	return s.database.Query(ctx, sql, arguments...)
}

// Somebody is taken off the list just when it is read, and put on it again.
func TestAListThatChangesWhileItIsReadIsReadAgain(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	database := &interrupted{switching: switching{database: pool}}
	users := erased.NewUsers(database, slog.New(slog.DiscardHandler))
	execute(t, pool, `INSERT INTO learninglog_erased_users (user_id) VALUES ($1)`, user)
	database.beforeSecond = func() { execute(t, pool, `DELETE FROM learninglog_erased_users`) }
	require.NoError(t, users.Read(t.Context()))
	assert.False(t, wasErased(t, users, user))

	execute(t, pool, `INSERT INTO learninglog_erased_users (user_id) VALUES ($1)`, user)
	require.NoError(t, users.Read(t.Context()))

	assert.True(t, wasErased(t, users, user))
}

// interrupted is a database in which something happens before the second query.
type interrupted struct {
	switching
	queries      int
	beforeSecond func()
}

func (i *interrupted) Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error) {
	if i.queries++; i.queries == 2 {
		i.beforeSecond()
	}
	return i.switching.Query(ctx, sql, arguments...)
}

func TestItIsReadAgainAndAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		database := new(away)
		users := erased.NewUsers(database, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		go users.Run(ctx)
		time.Sleep(erased.Known)
		stop()
		assert.GreaterOrEqual(t, database.asked.Load(), int64(2), "twice, before what is known is worth nothing")
		synctest.Wait()
	})
}
