package query_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/query"
	"learninglog/rollup"
)

// The cost of a summary depends on its periods, not on the number of logs.
func BenchmarkSummary(b *testing.B) {
	for _, logs := range []int{200, 20_000} {
		b.Run(fmt.Sprintf("logs=%d", logs), func(b *testing.B) {
			pool, user := pgtest.Pool(b), uuid.New()
			from := instant("2026-10-01T00:00:00Z")
			batch := make([]command.Log, logs)
			for i := range batch {
				at := from.Add(time.Duration(i%(30*24)) * time.Hour)
				batch[i] = command.Log{RequestID: uuid.New(), UserID: user, WordCount: 1, Timestamp: at}
			}
			for _, outcome := range command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(b, pool)}).Record(context.Background(), batch) {
				require.Equal(b, command.Recorded, outcome.Status)
			}
			reader := newReader(pool)
			request := query.SummaryRequest{
				UserID: user, Granularity: rollup.Day, From: new(rollup.DateOf(from)), To: new(rollup.DateOf(from) + 29),
			}
			for b.Loop() {
				_, err := reader.Summary(context.Background(), request)
				require.NoError(b, err)
			}
		})
	}
}
