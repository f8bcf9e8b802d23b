package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"

	"github.com/google/uuid"
)

// versusCommand compares the service with another build of it.
type versusCommand struct {
	Other string   `required:"" type:"existingfile" help:"The other build, of an earlier revision for example."`
	Keys  bool     `help:"This build asks for keys, and its callers send one."`
	Serve []string `help:"More arguments for this build." sep:"none"`
	Only  string   `help:"Only what has this in its name."`
	Logs  int      `default:"500000" help:"How many logs are read of, and rebuilt; of the last year."`
}

// build is one of the two builds, with its own database.
type build struct {
	service *service
	url     string
}

// Run prints the ratios of the rates of both builds for posts, reads and rebuilds.
// The builds run in turns.
func (c *versusCommand) Run(ctx context.Context, f *flags) (err error) {
	scratch, err := newScratch(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, scratch.close) }()
	users := newIDs(f.Users)
	var builds [2]build
	for i, binary := range []string{f.Binary, c.Other} {
		name := []string{"this", "other"}[i]
		var arguments []string
		withKeys := c.Keys && i == 0
		if i == 0 {
			arguments = append(arguments, c.Serve...)
		}
		if withKeys {
			arguments = append(arguments, "--auth=keys")
		}
		if builds[i].service, builds[i].url, err = scratch.newService(ctx, binary, name, arguments...); err != nil {
			return err
		}
		if withKeys {
			if builds[i].service.key, err = createKey(ctx, binary, builds[i].url); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "filling a table with %d logs …\n", c.Logs)
		if err := fill(ctx, builds[i].url, c.Logs, users, randomIDSQL); err != nil {
			return err
		}
	}
	rows := [][]string{{
		"what", "clients", "this, per second", "the other, per second", "this / the other", "p99",
		"service, µs", "this / the other", "PostgreSQL, µs", "this / the other",
	}}
	for _, way := range c.ways(f, users) {
		if !strings.Contains(way.name, c.Only) {
			continue
		}
		clients := f.Clients
		if way.once {
			clients = []int{1}
		}
		for _, n := range clients {
			found, err := c.inTurns(ctx, f.Rounds, builds, func(ctx context.Context, b build) (result, error) {
				return way.run(ctx, b, n)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			rows = append(rows, []string{
				way.name, fmt.Sprint(n), found[0].rates(), found[1].rates(), found[0].over(found[1]), found[0].slower(found[1]),
				found[0].service(), found[0].ratios(found[1], inService), found[0].database(), found[0].ratios(found[1], inDatabase),
			})
		}
	}
	return table(os.Stdout, rows)
}

// createKey creates a key that may do everything that is measured.
func createKey(ctx context.Context, binary, url string) (string, error) {
	key, err := exec.CommandContext(ctx, binary, "key", "create", "--name", "bench",
		"--scopes", "logs:write,logs:read,rebuilds", "--database-url", url).Output()
	if err != nil {
		return "", fmt.Errorf("creating a key: %w", err)
	}
	return strings.TrimSpace(string(key)), nil
}

// inTurns runs a measurement with both builds, round by round. The builds alternate
// in going first.
func (*versusCommand) inTurns(
	ctx context.Context, rounds int, builds [2]build, run func(context.Context, build) (result, error),
) (found [2]series, err error) {
	for round := range rounds {
		for turn := range builds {
			i := (round + turn) % len(builds)
			once, err := run(ctx, builds[i])
			if err != nil {
				return found, err
			}
			found[i] = append(found[i], once)
		}
	}
	return found, nil
}

// way is one of the measurements that are made of both builds.
type way struct {
	name string
	run  func(ctx context.Context, b build, clients int) (result, error)
	once bool // it doesn't depend on the number of clients
}

// ways returns the measurements. Those that only read come first, then those that
// write.
func (c *versusCommand) ways(f *flags, users []uuid.UUID) []way {
	read := func(name, path, headers string) way {
		return way{name: name, run: func(ctx context.Context, b build, clients int) (result, error) {
			return load{
				service: b.service, clients: clients, batch: 1, duration: f.Duration, headers: headers,
				path: func(random *rand.Rand) string { return fmt.Sprintf(path, users[random.IntN(len(users))]) },
			}.run(ctx)
		}}
	}
	rebuild := func(name string, dryRun bool) way {
		return way{name: name, once: true, run: func(ctx context.Context, b build, _ int) (result, error) {
			took, err := b.service.rebuild(ctx, dryRun, 1, c.Logs)
			return result{rate: float64(c.Logs) / took.Seconds()}, err
		}}
	}
	post := func(name string, batch, times int) way {
		return way{name: name, run: func(ctx context.Context, b build, clients int) (result, error) {
			if err := execute(ctx, b.url, `TRUNCATE learning_log, learning_log_aggregates`, `CHECKPOINT`); err != nil {
				return result{}, err
			}
			return load{
				service: b.service, clients: clients, batch: batch, times: times, users: users, newID: randomID, duration: f.Duration,
			}.run(ctx)
		}}
	}
	return []way{
		read("summary of 30 days, JSON", "/v1/users/%s/summary", ""),
		read("summary of 30 days, SVG", "/v1/users/%s/summary?format=svg", ""),
		read("learner's page", "/users/%s", "Accept-Encoding: gzip\r\n"),
		rebuild("verify", true),
		rebuild("rebuild", false),
		post("single posts", 1, 1),
		post("posts of 100 logs", 100, 1),                  //nolint:mnd // 100 logs
		post("single posts, each five times", 1, 5),        //nolint:mnd // a storm of retries
		post("posts of 100 logs, each five times", 100, 5), //nolint:mnd // the same
	}
}
