package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
)

// postsCommand compares posts with bare inserts.
type postsCommand struct {
	Batch int `default:"1000" help:"How many logs a batch has."`
}

// variant is one of the variants that are compared.
type variant struct {
	name string
	run  func(ctx context.Context, clients int) (result, error)
}

// Run prints a table for each number of clients, and one for batches.
func (c *postsCommand) Run(ctx context.Context, f *flags) (err error) {
	scratch, err := newScratch(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, scratch.close) }()
	url := scratch.server.URL()
	grouped, err := scratch.serve(ctx, f.Binary, url)
	if err != nil {
		return err
	}
	// There are so many lanes that two clients hardly ever share one. So clients
	// only wait for a connection.
	alone, err := scratch.serve(ctx, f.Binary, url, "--write-batch=1", "--write-lanes=10000")
	if err != nil {
		return err
	}
	if err := execute(ctx, url, `CREATE TABLE bare_learning_log (LIKE learning_log INCLUDING ALL)`); err != nil {
		return err
	}
	fmt.Printf("PostgreSQL %d, %d users, %d rounds of %s each; every figure is least / median / most of the rounds\n",
		scratch.server.Version(), f.Users, f.Rounds, f.Duration)

	bare := func(protocol string) variant {
		return variant{"bare inserts, " + protocol, func(ctx context.Context, clients int) (result, error) {
			return pgbench{
				scratch: scratch, url: url, script: fmt.Sprintf(bareInsert, f.Users), protocol: protocol, clients: clients, duration: f.Duration,
			}.run(ctx)
		}}
	}
	users := newIDs(f.Users)
	posts := func(name string, of *service, batch int) variant {
		return variant{name, func(ctx context.Context, clients int) (result, error) {
			return load{
				service: of, clients: clients, batch: batch, users: users, newID: randomID, duration: f.Duration,
			}.run(ctx)
		}}
	}
	singly := []variant{
		bare("prepared"), posts("learninglog", grouped, 1),
		bare("simple"), posts("learninglog, group commit off", alone, 1),
	}
	for _, clients := range f.Clients {
		if err := compare(ctx, url, f.Rounds, clients, singly); err != nil {
			return err
		}
	}
	const some = 4 // more would not make it faster
	fmt.Printf("\n%d clients, batches of %d, against single inserts of 64 clients\n", some, c.Batch)
	return measure(ctx, url, f.Rounds, []variant{
		{"bare inserts, prepared", func(ctx context.Context, _ int) (result, error) { return bare("prepared").run(ctx, 64) }},
		posts("learninglog", grouped, c.Batch),
		{"bare inserts, simple", func(ctx context.Context, _ int) (result, error) { return bare("simple").run(ctx, 64) }},
	}, some)
}

func compare(ctx context.Context, url string, rounds, clients int, variants []variant) error {
	fmt.Printf("\n%d clients\n", clients)
	return measure(ctx, url, rounds, variants, clients)
}

// measure runs the variants in turns, each on empty tables, and prints how they
// compare with the second one, which is the service.
func measure(ctx context.Context, url string, rounds int, variants []variant, clients int) error {
	found := make([]series, len(variants))
	for range rounds {
		for i, variant := range variants {
			if err := execute(ctx, url, `TRUNCATE learning_log, learning_log_aggregates, bare_learning_log`, `CHECKPOINT`); err != nil {
				return err
			}
			result, err := variant.run(ctx, clients)
			if err != nil {
				return fmt.Errorf("%s with %s clients: %w", variant.name, strconv.Itoa(clients), err)
			}
			found[i] = append(found[i], result)
		}
	}
	const service = 1
	rows := [][]string{{"", "logs/s", "p50 / p95 / p99", "learninglog is … times as fast", "service, µs", "PostgreSQL, µs"}}
	for i, variant := range variants {
		ratio := ""
		if i != service {
			ratio = found[service].over(found[i])
		}
		rows = append(rows, []string{variant.name, found[i].rates(), found[i].percentiles(), ratio, found[i].service(), found[i].database()})
	}
	return table(os.Stdout, rows)
}
