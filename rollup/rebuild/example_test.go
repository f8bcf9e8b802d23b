package rebuild_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/google/uuid"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/rollup/rebuild"
)

func ExampleJobs_Request() {
	pool, closePool := pgtest.ExamplePool()
	defer closePool()
	jobs, err := rebuild.NewJobs(pool, rebuild.Config{
		Schema: postgres.RiverSchema,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	user := uuid.MustParse("0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22")
	requested, err := jobs.Request(context.Background(), rebuild.Args{Scope: rebuild.Scope{Users: []uuid.UUID{user}}})
	fmt.Println(requested.ID, err)
	same, err := jobs.Request(context.Background(), rebuild.Args{Scope: rebuild.Scope{Users: []uuid.UUID{user}}})
	fmt.Println(same.ID, err)
	// Output:
	// 1 <nil>
	// 1 <nil>
}
