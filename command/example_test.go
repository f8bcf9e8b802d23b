package command_test

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func ExampleRecorder_Record() {
	pool, closePool := pgtest.ExamplePool()
	defer closePool()
	recorder := command.NewRecorder(pool, command.Config{})

	log := command.Log{
		RequestID: uuid.MustParse("6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11"),
		UserID:    uuid.MustParse("0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22"),
		WordCount: 12,
	}
	for range 2 { // the network is bad, so the client posts again
		outcomes := recorder.Record(context.Background(), []command.Log{log})
		fmt.Println(outcomes[0].Status, outcomes[0].Log.WordCount)
	}
	// Output:
	// recorded 12
	// already_recorded 12
}
