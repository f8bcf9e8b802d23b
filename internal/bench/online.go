package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
)

// onlineCommand measures posts while everything is being rebuilt.
type onlineCommand struct {
	Logs int `default:"5000000" help:"How many logs are rebuilt, of the last year."`
	Pace int `default:"-1" help:"How many logs the rebuild reads in a second. -1 is the service's default, 0 as many as it can."`

	Drift float64 `default:"0" help:"Which share of the rollup's rows, of 1, is made wrong before each rebuild."`
}

// Run prints the rate and the latencies of posts during a rebuild, and their ratios
// to posts without one. The two run in turns.
func (c *onlineCommand) Run(ctx context.Context, f *flags) (err error) {
	scratch, err := newScratch(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, scratch.close) }()
	service, url, err := scratch.newService(ctx, f.Binary, "online")
	if err != nil {
		return err
	}
	users := newIDs(f.Users)
	fmt.Fprintf(os.Stderr, "filling a table with %d logs …\n", c.Logs)
	if err := fill(ctx, url, c.Logs, users, randomIDSQL); err != nil {
		return err
	}
	body := "{}"
	if c.Pace >= 0 {
		body = fmt.Sprintf(`{"max_logs_per_second": %d}`, c.Pace)
	}
	rows := [][]string{{
		"clients", "alone, logs/s", "p50 / p95 / p99", "with a rebuild, logs/s", "p50 / p95 / p99", "rate", "p99", "longest", "rebuilt, logs/s", "repaired",
	}}
	for _, clients := range f.Clients {
		row, err := c.measure(ctx, f, service, url, body, load{
			service: service, clients: clients, batch: 1,
			users: users, newID: randomID, duration: f.Duration,
		})
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	return table(os.Stdout, rows)
}

// measure returns a row of the table, for a number of clients.
func (c *onlineCommand) measure(
	ctx context.Context, f *flags, service *service, url, body string, load load,
) ([]string, error) {
	var alone, online series
	var rebuilt, repaired []float64
	for range f.Rounds {
		found, err := load.run(ctx)
		if err != nil {
			return nil, err
		}
		alone = append(alone, found)
		if err := c.corrupt(ctx, url); err != nil {
			return nil, err
		}
		job, err := service.callRebuild(ctx, http.MethodPost, "", body)
		if err != nil {
			return nil, err
		}
		if found, err = load.run(ctx); err != nil {
			return nil, err
		}
		online = append(online, found)
		progress, err := service.cancelRebuild(ctx, job.ID)
		if err != nil {
			return nil, err
		}
		if c.Drift == 0 && progress.RowsDrifted != 0 {
			return nil, fmt.Errorf("%d rows have drifted", progress.RowsDrifted)
		}
		rebuilt = append(rebuilt, progress.LogsPerSecond)
		repaired = append(repaired, float64(progress.RowsRepaired))
	}
	return []string{
		fmt.Sprint(load.clients), alone.rates(), alone.percentiles(), online.rates(), online.percentiles(),
		online.over(alone), online.slower(alone), alone.longest() + " → " + online.longest(),
		spread(rebuilt, "%.0f"), spread(repaired, "%.0f"),
	}, nil
}

// corrupt makes some rows of the rollup wrong.
func (c *onlineCommand) corrupt(ctx context.Context, url string) error {
	if c.Drift == 0 {
		return nil
	}
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	_, err = connection.Exec(ctx, `
		UPDATE learning_log_aggregates SET total_word_count = total_word_count + 1 WHERE random() < $1`, c.Drift)
	return err
}

// cancelRebuild cancels a rebuild and returns its progress. It fails if the rebuild
// has already ended, because then it didn't run during the whole measurement.
func (s *service) cancelRebuild(ctx context.Context, id int64) (rebuildProgress, error) {
	path := fmt.Sprintf("/%d", id)
	job, err := s.callRebuild(ctx, http.MethodGet, path, "")
	if err != nil {
		return rebuildProgress{}, err
	}
	if job.FinishedAt != nil {
		return rebuildProgress{}, errors.New("the rebuild ended before the posts did: it needs more logs")
	}
	progress := job.Progress
	job, err = s.callRebuild(ctx, http.MethodDelete, path, "")
	for err == nil && job.FinishedAt == nil {
		time.Sleep(100 * time.Millisecond)
		job, err = s.callRebuild(ctx, http.MethodGet, path, "")
	}
	return progress, err
}
