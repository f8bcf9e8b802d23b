package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
)

// rebuildCommand compares verifying and rebuilding without drift with a single plain
// statement that counts the same sums.
type rebuildCommand struct {
	Logs []int `default:"2000000" help:"How many logs there are, of the last year; several to see how time grows."`
}

// Run prints, for each number of logs, how long each takes.
func (c *rebuildCommand) Run(ctx context.Context, f *flags) (err error) {
	scratch, err := newScratch(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, scratch.close) }()
	rows := [][]string{{"logs", "what", "seconds", "× bare pass", "MiB of the service", "MiB of PostgreSQL"}}
	for _, logs := range c.Logs {
		service, url, err := scratch.newService(ctx, f.Binary, fmt.Sprintf("rebuild_%d", logs))
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "filling a table with %d logs …\n", logs)
		if err := fill(ctx, url, logs, newIDs(f.Users), randomIDSQL); err != nil {
			return err
		}
		ways := []struct {
			name string
			run  func() (time.Duration, error)
		}{
			{"bare pass", func() (time.Duration, error) { return barePass(ctx, url) }},
			{"verify", func() (time.Duration, error) { return service.rebuild(ctx, true, 1, logs) }},
			{"rebuild", func() (time.Duration, error) { return service.rebuild(ctx, false, 1, logs) }},
			{"verify, 2 workers", func() (time.Duration, error) { return service.rebuild(ctx, true, 2, logs) }},
			{"rebuild from nothing", func() (took time.Duration, err error) {
				if err := execute(ctx, url, `TRUNCATE learning_log_aggregates`); err != nil {
					return 0, err
				}
				if took, _, err = service.rebuildAny(ctx, false, 1, logs); err != nil {
					return 0, err
				}
				return took, execute(ctx, url, `VACUUM ANALYZE learning_log_aggregates`)
			}},
		}
		took, most := make([]durations, len(ways)), make([]memory, len(ways))
		for range f.Rounds {
			for i, way := range ways {
				watched := scratch.watchMemory(service)
				once, err := way.run()
				if err != nil {
					return fmt.Errorf("%s: %w", way.name, err)
				}
				took[i] = append(took[i], once)
				used, err := watched()
				if err != nil {
					return err
				}
				most[i] = most[i].orMore(used)
			}
		}
		for i, way := range ways {
			rows = append(rows, []string{
				fmt.Sprint(logs), way.name, took[i].seconds(), took[i].over(took[0]),
				fmt.Sprint(most[i].service >> 20), fmt.Sprint(most[i].database >> 20), //nolint:mnd // MiB
			})
		}
	}
	return table(os.Stdout, rows)
}

// barePass counts the sums of all periods, and returns how long it took.
func barePass(ctx context.Context, url string) (time.Duration, error) {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer func() { _ = connection.Close(ctx) }()
	const sums = `
		WITH daily AS (
		    SELECT user_id, ("timestamp" AT TIME ZONE make_interval(mins => utc_offset))::date AS day,
		           sum(word_count) AS words, count(*) AS entries
		    FROM learning_log WHERE voided_at IS NULL GROUP BY 1, 2
		)
		SELECT count(*) FROM (
		    SELECT user_id, day, words, entries FROM daily
		    UNION ALL SELECT user_id, date_trunc('week', day::timestamp)::date AS week, sum(words), sum(entries) FROM daily GROUP BY 1, 2
		    UNION ALL SELECT user_id, date_trunc('month', day::timestamp)::date AS month, sum(words), sum(entries) FROM daily GROUP BY 1, 2
		) AS sums`
	started := time.Now()
	_, err = connection.Exec(ctx, sums)
	return time.Since(started), err
}

// rebuild is rebuildAny, and fails if there is drift.
func (s *service) rebuild(ctx context.Context, dryRun bool, workers, logs int) (time.Duration, error) {
	took, drifted, err := s.rebuildAny(ctx, dryRun, workers, logs)
	if err == nil && drifted != 0 {
		err = fmt.Errorf("the rebuild of %d logs found %d rows that are wrong", logs, drifted)
	}
	return took, err
}

// rebuildAny makes the service rebuild everything without a limit of the pace, and returns how
// long it took, and how many rows were wrong.
func (s *service) rebuildAny(ctx context.Context, dryRun bool, workers, logs int) (took time.Duration, drifted int64, err error) {
	asked := fmt.Sprintf(`{"dry_run": %t, "workers": %d, "max_logs_per_second": 0}`, dryRun, workers)
	started := time.Now()
	job, err := s.callRebuild(ctx, http.MethodPost, "", asked)
	if err == nil {
		job, err = s.awaitRebuild(ctx, job.ID, func(job rebuildAnswer) bool { return job.FinishedAt != nil })
	}
	took = time.Since(started)
	if err == nil && (job.State != "completed" || job.Progress.LogsDone != int64(logs)) {
		err = fmt.Errorf("the rebuild of %d logs ended as %+v", logs, job)
	}
	return took, job.Progress.RowsDrifted, err
}

// awaitRebuild looks at a job until it is as demanded or has ended, and returns it.
func (s *service) awaitRebuild(ctx context.Context, id int64, is func(rebuildAnswer) bool) (rebuildAnswer, error) {
	for {
		job, err := s.callRebuild(ctx, http.MethodGet, fmt.Sprintf("/%d", id), "")
		if err != nil || is(job) || job.FinishedAt != nil {
			return job, err
		}
		const pause = 10 * time.Millisecond
		time.Sleep(pause)
	}
}

type rebuildAnswer struct {
	ID         int64
	State      string
	FinishedAt *time.Time `json:"finished_at"`
	Progress   rebuildProgress
}

type rebuildProgress struct {
	LogsDone      int64   `json:"logs_done"`
	LogsPerSecond float64 `json:"logs_per_second"`
	RowsDrifted   int64   `json:"rows_drifted"`
	RowsRepaired  int64   `json:"rows_repaired"`

	Seconds      float64
	LogsPurged   int64      `json:"logs_purged"`
	PurgedBefore *time.Time `json:"purged_before"`
}

func (s *service) callRebuild(ctx context.Context, method, path, body string) (rebuildAnswer, error) {
	return s.call(ctx, method, "/v1/rebuilds"+path, body)
}

// call requests a rebuild, or another job, or asks how far it is.
func (s *service) call(ctx context.Context, method, path, body string) (answer rebuildAnswer, err error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, bytes.NewBufferString(body))
	if err != nil {
		return rebuildAnswer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if s.key != "" {
		request.Header.Set("Authorization", "Bearer "+s.key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return rebuildAnswer{}, err
	}
	defer func() { err = joinClose(err, response.Body.Close) }()
	if response.StatusCode >= http.StatusMultipleChoices {
		return rebuildAnswer{}, fmt.Errorf("%s %s was answered %s", method, request.URL.Path, response.Status)
	}
	return answer, json.NewDecoder(response.Body).Decode(&answer)
}
