package command_test

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

func newRecorder(pool *pgxpool.Pool) *command.Recorder {
	return command.NewRecorder(pool, command.Config{})
}

func newLog(words int, at string) command.Log {
	return command.Log{RequestID: uuid.New(), UserID: uuid.New(), WordCount: words, Timestamp: instant(at)}
}

func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at
}

func record(t require.TestingT, recorder *command.Recorder, logs ...command.Log) []command.Outcome {
	outcomes := recorder.Record(context.Background(), logs)
	require.Len(t, outcomes, len(logs))
	for _, outcome := range outcomes {
		require.NoError(t, outcome.Err)
	}
	return outcomes
}

func statuses(outcomes []command.Outcome) []command.Status {
	statuses := make([]command.Status, len(outcomes))
	for i, outcome := range outcomes {
		statuses[i] = outcome.Status
	}
	return statuses
}

func scan[T any](t require.TestingT, pool *pgxpool.Pool, query string, arguments ...any) T {
	var value T
	require.NoError(t, pool.QueryRow(context.Background(), query, arguments...).Scan(&value))
	return value
}
