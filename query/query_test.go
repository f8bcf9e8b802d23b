package query_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at
}

// post records a log and returns its request id.
func post(t require.TestingT, pool *pgxpool.Pool, user uuid.UUID, words int, at string) uuid.UUID {
	log := command.Log{RequestID: uuid.New(), UserID: user, WordCount: words, Timestamp: instant(at)}
	outcomes := command.NewRecorder(pool, command.Config{}).Record(context.Background(), []command.Log{log})
	require.Equal(t, command.Recorded, outcomes[0].Status)
	return log.RequestID
}
