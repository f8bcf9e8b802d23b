package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// readsCommand measures how fast the last 30 days are read.
type readsCommand struct {
	Logs      int `default:"200" help:"How many logs each user has, within the last 30 days."`
	HeavyLogs int `default:"200000" help:"How many one more user has."`

	Only string `help:"Only pgbench and the ways whose name contains this."`
}

// bareRead is the plain statement that anybody would write by hand: it reads the
// rows of a summary.
const bareRead = `\set n random(1, %d)
SELECT period, total_word_count, entry_count FROM learning_log_aggregates
WHERE user_id = lpad(to_hex(:n::int), 32, '0')::uuid AND granularity = 'day'
  AND period BETWEEN (now() AT TIME ZONE 'UTC')::date - 29 AND (now() AT TIME ZONE 'UTC')::date;
`

// Run prints the rate and the latencies of each way of reading, and its ratio to
// pgbench. The ways run in turns.
func (c *readsCommand) Run(ctx context.Context, f *flags) (err error) {
	scratch, err := newScratch(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, scratch.close) }()
	service, url, err := scratch.newService(ctx, f.Binary, "reads")
	if err != nil {
		return err
	}
	if err := c.fill(ctx, url, f.Users); err != nil {
		return err
	}
	variants := slices.DeleteFunc(c.variants(f, scratch, service, url), func(v variant) bool {
		return !strings.HasPrefix(v.name, "bare") && !strings.Contains(v.name, c.Only)
	})
	rows := [][]string{{"clients", "what", "per second", "p50 / p95 / p99", "× bare, simple", "× bare, prepared", "service, µs", "PostgreSQL, µs", "bytes"}}
	for _, clients := range f.Clients {
		found := make([]series, len(variants))
		for range f.Rounds {
			for i, variant := range variants {
				once, err := variant.run(ctx, clients)
				if err != nil {
					return fmt.Errorf("%s: %w", variant.name, err)
				}
				found[i] = append(found[i], once)
			}
		}
		for i, variant := range variants {
			rows = append(rows, []string{
				fmt.Sprint(clients), variant.name, found[i].rates(), found[i].percentiles(),
				found[i].over(found[0]), found[i].over(found[1]), found[i].service(), found[i].database(), fmt.Sprint(found[i][0].bytes),
			})
		}
	}
	return table(os.Stdout, rows)
}

// variants returns the ways of reading. The first two use pgbench.
func (c *readsCommand) variants(f *flags, scratch *scratch, service *service, url string) []variant {
	anyone := func(random *rand.Rand) uuid.UUID { return numbered(1 + random.IntN(f.Users)) }
	one := func(user uuid.UUID) func(*rand.Rand) uuid.UUID {
		return func(*rand.Rand) uuid.UUID { return user }
	}
	bare := func(protocol string) variant {
		return variant{"bare reads, " + protocol, func(ctx context.Context, clients int) (result, error) {
			return pgbench{
				scratch: scratch, url: url,
				script: fmt.Sprintf(bareRead, f.Users), protocol: protocol, clients: clients, duration: f.Duration,
			}.run(ctx)
		}}
	}
	read := func(name, path, headers string, user func(*rand.Rand) uuid.UUID) variant {
		return variant{name, func(ctx context.Context, clients int) (result, error) {
			return load{
				service: service, clients: clients, batch: 1, duration: f.Duration, headers: headers,
				path: func(random *rand.Rand) string { return fmt.Sprintf(path, user(random)) },
			}.run(ctx)
		}}
	}
	const summary, page = "/v1/users/%s/summary", "/users/%s"
	heavy := numbered(f.Users + 1)
	return []variant{
		bare("simple"),
		bare("prepared"),
		read("a health check, without the database", "/healthz%.0s", "", anyone),
		read("summary, JSON", summary, "", anyone),
		read("… of one user", summary, "", one(numbered(1))),
		read(fmt.Sprintf("… of one with %d logs", c.HeavyLogs), summary, "", one(heavy)),
		read("summary, SVG", summary+"?format=svg", "", anyone),
		read("streak", "/v1/users/%s/streak", "", anyone),
		read("learner's page", page, "Accept-Encoding: gzip\r\n", anyone),
		read(fmt.Sprintf("… of one with %d logs", c.HeavyLogs), page, "Accept-Encoding: gzip\r\n", one(heavy)),
	}
}

// numbered returns the id of a user. pgbench's script can compute it from a number.
func numbered(n int) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n)) //nolint:gosec // n is positive
	return id
}

func (c *readsCommand) fill(ctx context.Context, url string, users int) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	fmt.Fprintf(os.Stderr, "filling a table with %d logs …\n", users*c.Logs+c.HeavyLogs)
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
			SELECT gen_random_uuid(), lpad(to_hex(n), 32, '0')::uuid, random() * 50, now() - random() * interval '29 days'
			FROM (
			    SELECT 1 + i %% %d AS n FROM generate_series(1, %d) AS i
			    UNION ALL
			    SELECT %d FROM generate_series(1, %d)
			) AS generated`, users, users*c.Logs, users+1, c.HeavyLogs),
		rollup.AddSQL(rollup.SumsSQL(rollup.LogsSQL("learning_log"))),
		`VACUUM (ANALYZE) learning_log, learning_log_aggregates`,
		`CHECKPOINT`,
	} {
		if _, err := connection.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
