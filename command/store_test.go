package command_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func TestOfAStatementsLogsWithOneRequestIDTheFirstIsRecorded(t *testing.T) {
	t.Parallel()
	needSharedIDs(t)
	pool := pgtest.Pool(t)
	store := command.NewStore(pool, pgtest.Nodes(t, pool))
	logs := newLogs(6)
	slices.SortFunc(logs, func(a, b command.Log) int { return strings.Compare(a.UserID.String(), b.UserID.String()) })
	for range 2 {
		id := uuid.New()
		for i := range logs {
			logs[i].RequestID = id
		}

		recorded, err := store.Write(t.Context(), command.ChangesOf(logs...), 0)

		require.NoError(t, err)
		require.Len(t, recorded, 1)
		for _, log := range recorded {
			assert.Equal(t, logs[0].UserID, log.UserID)
			assert.Equal(t, id, log.RequestID)
			assert.Equal(t, logs[0].WordCount, log.WordCount)
			assert.Equal(t, logs[0].Timestamp, log.Timestamp)
		}
		slices.Reverse(logs) // so that the order differs from the order of the users
	}
}

func TestFindTellsTheLogsOfUsersApart(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := command.NewStore(pool, pgtest.Nodes(t, pool))
	logs := newLogs(2)
	inserted, err := store.Write(t.Context(), command.ChangesOf(logs...), 0)
	require.NoError(t, err)
	exchanged := command.Log{RequestID: logs[0].RequestID, UserID: logs[1].UserID}

	found, err := store.Find(t.Context(), command.KeysOf(logs[0], exchanged, logs[1], newLog(1, today)))

	require.NoError(t, err)
	assert.Equal(t, inserted, found)
}

// PostgreSQL returns the inserted rows before it adds them to the rollups, and may
// then refuse the sums. Meanwhile, another client records the same request ids.
func TestRowsThatCameBeforeARefusalAreNotRecorded(t *testing.T) {
	t.Parallel()
	recorder := command.NewRecorder(&refusesLate{}, command.Config{})
	user := uuid.New()
	logs := []command.Log{
		{RequestID: uuid.New(), UserID: user, WordCount: 1},
		{RequestID: uuid.New(), UserID: user, WordCount: 2},
	}

	outcomes := recorder.Record(t.Context(), logs)

	assert.Equal(t, []command.Status{command.RequestIDReused, command.RequestIDReused}, statuses(outcomes))
}

// refusesLate is a database that refuses the first statement after it has returned
// rows. Later it reports that all request ids belong to another user.
type refusesLate struct{ queries int }

func (*refusesLate) BeginTx(context.Context, pgx.TxOptions) (pgx.Tx, error) {
	return nil, errors.New("its tables aren't distributed")
}

func (d *refusesLate) Query(_ context.Context, _ string, arguments ...any) (pgx.Rows, error) {
	d.queries++
	if d.queries > 1 {
		return &scriptedRows{}, nil
	}
	requestIDs, _ := arguments[0].(pgtype.FlatArray[pgtype.UUID])
	userIDs, _ := arguments[1].(pgtype.FlatArray[pgtype.UUID])
	return &scriptedRows{
		requestIDs: requestIDs, userIDs: userIDs, err: &pgconn.PgError{Code: pgerrcode.NumericValueOutOfRange},
	}, nil
}

// scriptedRows returns recorded logs, and then an error.
type scriptedRows struct {
	pgx.Rows // nil: only the methods below are called

	requestIDs, userIDs pgtype.FlatArray[pgtype.UUID]
	err                 error
	next                int
}

func (r *scriptedRows) Next() bool                  { r.next++; return r.next <= len(r.requestIDs) }
func (r *scriptedRows) Err() error                  { return r.err }
func (*scriptedRows) Close()                        {}
func (*scriptedRows) CommandTag() pgconn.CommandTag { return pgconn.CommandTag{} }
func (r *scriptedRows) Scan(targets ...any) error {
	requestID, _ := targets[0].(*pgtype.UUID)
	userID, _ := targets[1].(*pgtype.UUID)
	*requestID, *userID = r.requestIDs[r.next-1], r.userIDs[r.next-1]
	return nil
}
