package command_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/assert"

	"learninglog/command"
)

// PostgreSQL returns what it has inserted, then adds it to the rollups, and may
// refuse that. In the meantime somebody else records the same request ids.
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

// refusesLate is a database that refuses the first statement after it has
// returned its rows, and then knows all request ids as another user's.
type refusesLate struct{ queries int }

func (d *refusesLate) Query(_ context.Context, _ string, arguments ...any) (pgx.Rows, error) {
	d.queries++
	if d.queries > 1 {
		return &scriptedRows{}, nil
	}
	ids, _ := arguments[0].(pgtype.FlatArray[pgtype.UUID])
	return &scriptedRows{ids: ids, err: &pgconn.PgError{Code: pgerrcode.NumericValueOutOfRange}}, nil
}

// scriptedRows returns request ids, and then an error.
type scriptedRows struct {
	pgx.Rows // nil: what isn't below isn't used

	ids  pgtype.FlatArray[pgtype.UUID]
	err  error
	next int
}

func (r *scriptedRows) Next() bool                  { r.next++; return r.next <= len(r.ids) }
func (r *scriptedRows) Err() error                  { return r.err }
func (*scriptedRows) Close()                        {}
func (*scriptedRows) CommandTag() pgconn.CommandTag { return pgconn.CommandTag{} }
func (r *scriptedRows) Scan(targets ...any) error {
	id, _ := targets[0].(*pgtype.UUID)
	at, _ := targets[1].(*time.Time)
	*id, *at = r.ids[r.next-1], time.Now()
	return nil
}
