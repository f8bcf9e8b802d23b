package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// purgeCommand measures purges: what they keep, what they cost, and what they free.
type purgeCommand struct {
	Logs   int `default:"10000000" help:"Of how many logs of --users the totals are compared, of the last year. In all parts, users have as many logs a year."`
	Purged int `default:"1000000" help:"How many logs are purged while clients post, and are deleted by hand."`
	Sized  int `default:"5000000" help:"How many logs the sizes are of, of the last three years."`
	Pace   int `default:"-1" help:"How many logs the purge goes through in a second while clients post. -1 is the service's default, 0 as many as it can."`

	Only string `help:"Only the parts with this in their name: totals, online, delete, verify, sizes."`
}

// keptDays is how many days of a year a purge keeps. Logs that are a day older are deleted.
const year, keptDays = 365, 30

// Run measures all parts, one after the other.
func (c *purgeCommand) Run(ctx context.Context, f *flags) (err error) {
	scratch, err := newScratch(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, scratch.close) }()
	run := purgeRun{purgeCommand: c, flags: f, scratch: scratch}
	for _, part := range []struct {
		name, what string
		run        func(context.Context) error
	}{
		{"totals", "Totals before and after a purge", run.totals},
		{"online", "Posts while a purge deletes, against posts alone", run.online},
		{"delete", "A purge without a limit of its pace against statements by hand", run.againstDelete},
		{"verify", "Verifying sealed days", run.verify},
		{"sizes", "Sizes", run.sizes},
	} {
		if !strings.Contains(part.name, c.Only) {
			continue
		}
		fmt.Printf("\n%s\n", part.what)
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// purgeRun is a run of [purgeCommand].
type purgeRun struct {
	*purgeCommand

	flags   *flags
	scratch *scratch
	users   []uuid.UUID // of the template
}

// usersOf returns as many users as have so many logs of a year.
func (r *purgeRun) usersOf(logs int) []uuid.UUID {
	return newIDs(max(1, int(float64(logs)/float64(r.Logs)*float64(r.flags.Users))))
}

// mixedFilling has logs of clocks all over the world, also of some who travel; some were
// voided, and some users have stopped half a year ago.
func mixedFilling() filling {
	const clocks = `(ARRAY[-720, -480, -210, 0, 0, 60, 330, 345, 540, 840])`
	return filling{
		requestID: randomIDSQL,
		active:    `CASE WHEN passed > 0.5 THEN 0.98 ELSE 1 END`,
		offset:    clocks + `[1 + (n + CASE WHEN i % 10 = 0 THEN i / 10 ELSE 0 END) % 10]`,
		given:     `i % 2 = 0`,
		voided:    `CASE WHEN i % 50 = 0 THEN at END`,
	}
}

// template is the database that others are copies of.
const template = "filled"

// fillTemplate makes a database of which a purge deletes so many logs as it is to. Logs
// have been refused for a while, so a purge needn't wait until all processes do so.
func (r *purgeRun) fillTemplate(ctx context.Context) error {
	if r.users != nil {
		return nil
	}
	url, err := r.scratch.migrated(ctx, r.flags.Binary, template)
	if err != nil {
		return err
	}
	logs := r.Purged * year / (year - keptDays - 1)
	r.users = r.usersOf(logs)
	fmt.Fprintf(os.Stderr, "filling a table with %d logs of %d users …\n", logs, len(r.users))
	if err := mixedFilling().fill(ctx, url, logs, r.users); err != nil {
		return err
	}
	return execute(ctx, url, fmt.Sprintf(`INSERT INTO learning_log_horizon (refused_before, raised_at)
		VALUES (now() - interval '%d days', now() - interval '1 hour')`, keptDays))
}

// onCopy runs something with a service on a copy of the template, and drops the copy.
func (r *purgeRun) onCopy(ctx context.Context, run func(on build) error) (err error) {
	on, err := r.copy(ctx, "copy")
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, func() error { return r.scratch.remove(ctx, on.service, "copy") }) }()
	return run(on)
}

func (r *purgeRun) copy(ctx context.Context, name string) (on build, err error) {
	if on.url, err = r.scratch.copyOf(ctx, template, name); err != nil {
		return build{}, err
	}
	on.service, err = r.scratch.serve(ctx, r.flags.Binary, on.url)
	return on, err
}

// purge purges all logs that are older than so many days, without a limit of the pace. It
// fails if there is drift.
func (s *service) purge(ctx context.Context, days, workers int) (rebuildProgress, error) {
	asked := fmt.Sprintf(`{"older_than_days": %d, "workers": %d, "max_logs_per_second": 0}`, days, workers)
	job, err := s.call(ctx, http.MethodPost, "/v1/purges", asked)
	if err == nil {
		job, err = s.awaitRebuild(ctx, job.ID, func(job rebuildAnswer) bool { return job.FinishedAt != nil })
	}
	if err == nil && (job.State != "completed" || job.Progress.RowsDrifted != 0 || job.Progress.LogsPurged == 0) {
		err = fmt.Errorf("the purge ended as %+v", job)
	}
	return job.Progress, err
}

// online prints the rate and the latencies of posts while a purge deletes, and their ratios
// to posts without one. Each round has a copy of the template, and the two alternate in going
// first.
func (r *purgeRun) online(ctx context.Context) error {
	if err := r.fillTemplate(ctx); err != nil {
		return err
	}
	rows := [][]string{{
		"clients", "alone, logs/s", "p50 / p95 / p99", "with a purge, logs/s", "p50 / p95 / p99", "rate", "p99", "longest", "purged, logs/s", "of them",
	}}
	for _, clients := range r.flags.Clients {
		var alone, online series
		var purged, each []float64
		for round := range r.flags.Rounds {
			err := r.onCopy(ctx, func(on build) error {
				posts := load{
					service: on.service, clients: clients, batch: 1, users: r.users, newID: randomID, duration: r.flags.Duration,
				}
				turns := []func() error{
					func() error {
						found, err := posts.run(ctx)
						alone = append(alone, found)
						return err
					},
					func() error {
						found, progress, err := r.postsWhilePurging(ctx, posts)
						online = append(online, found)
						purged = append(purged, float64(progress.LogsPurged))
						each = append(each, float64(progress.LogsPurged)/progress.Seconds)
						return err
					},
				}
				if round%2 == 1 {
					slices.Reverse(turns)
				}
				for _, turn := range turns {
					if err := turn(); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		rows = append(rows, []string{
			fmt.Sprint(clients), alone.rates(), alone.percentiles(), online.rates(), online.percentiles(),
			online.over(alone), online.slower(alone), alone.longest() + " → " + online.longest(),
			spread(each, "%.0f"), spread(purged, "%.0f"),
		})
	}
	return table(os.Stdout, rows)
}

func (r *purgeRun) postsWhilePurging(ctx context.Context, posts load) (result, rebuildProgress, error) {
	asked := fmt.Sprintf(`{"older_than_days": %d}`, keptDays)
	if r.Pace >= 0 {
		asked = fmt.Sprintf(`{"older_than_days": %d, "max_logs_per_second": %d}`, keptDays, r.Pace)
	}
	job, err := posts.service.call(ctx, http.MethodPost, "/v1/purges", asked)
	if err != nil {
		return result{}, rebuildProgress{}, err
	}
	deletes := func(job rebuildAnswer) bool { return job.Progress.LogsPurged > 0 }
	if _, err := posts.service.awaitRebuild(ctx, job.ID, deletes); err != nil {
		return result{}, rebuildProgress{}, err
	}
	found, err := posts.run(ctx)
	if err != nil {
		return result{}, rebuildProgress{}, err
	}
	progress, err := posts.service.cancelRebuild(ctx, job.ID)
	if err == nil && progress.RowsDrifted != 0 {
		err = fmt.Errorf("%d rows have drifted", progress.RowsDrifted)
	}
	return found, progress, err
}

// againstDelete prints how long a purge takes, and a DELETE by hand, and the vacuum after
// each. They run in turns, each on a copy of the template.
func (r *purgeRun) againstDelete(ctx context.Context) error {
	if err := r.fillTemplate(ctx); err != nil {
		return err
	}
	purge := func(workers, steps int) func(build) (int64, error) {
		return func(on build) (deleted int64, err error) {
			for days := keptDays + (year-keptDays)/steps*(steps-1); days >= keptDays; days -= (year - keptDays) / steps {
				progress, err := on.service.purge(ctx, days, workers)
				if err != nil {
					return 0, err
				}
				deleted += progress.LogsPurged
			}
			return deleted, nil
		}
	}
	byHand := func(statement string) func(build) (int64, error) {
		return func(on build) (deleted int64, err error) {
			err = scanOne(ctx, on.url, statement, &deleted)
			return deleted, err
		}
	}
	gone := fmt.Sprintf(`WITH gone AS (
		    DELETE FROM learning_log WHERE "timestamp" < now() - interval '%d days' RETURNING *
		)`, keptDays+1)
	ways := []struct {
		name string
		run  func(build) (int64, error)
	}{
		{"DELETE", byHand(gone + ` SELECT count(*) FROM gone`)},
		{"DELETE, and sealed days in the same statement", byHand(gone + `, sealed AS (
		    INSERT INTO learning_log_sealed_days
		    SELECT user_id, ` + rollup.DateSQL + `, sum(words), sum(entries)
		    FROM ` + rollup.LogsSQL("gone") + ` AS logs GROUP BY 1, 2 ORDER BY 1, 2
		) SELECT count(*) FROM gone`)},
		{"purge", purge(1, 1)},
		{"purge, 2 workers", purge(2, 1)},                  //nolint:mnd // as many as the cores that are usual
		{"11 purges, of about a month each", purge(1, 11)}, //nolint:mnd // of a year
	}
	took, vacuumed := make([]durations, len(ways)), make([]durations, len(ways))
	logs, wal := make([]int64, len(ways)), make([][]float64, len(ways))
	for range r.flags.Rounds {
		for i, way := range ways {
			err := r.onCopy(ctx, func(on build) error {
				before, err := walPosition(ctx, on.url)
				if err != nil {
					return err
				}
				started := time.Now()
				if logs[i], err = way.run(on); err != nil {
					return fmt.Errorf("%s: %w", way.name, err)
				}
				took[i] = append(took[i], time.Since(started))
				after, err := walPosition(ctx, on.url)
				if err != nil {
					return err
				}
				wal[i] = append(wal[i], (after-before)/float64(logs[i]))
				started = time.Now()
				err = execute(ctx, on.url, `VACUUM (ANALYZE) learning_log, learning_log_sealed_days`)
				vacuumed[i] = append(vacuumed[i], time.Since(started))
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	rows := [][]string{{"what", "logs", "seconds", "× DELETE", "bytes of WAL a log", "vacuum after it, seconds"}}
	for i, way := range ways {
		rows = append(rows, []string{
			way.name, fmt.Sprint(logs[i]), took[i].seconds(), took[i].over(took[0]), spread(wal[i], "%.0f"), vacuumed[i].seconds(),
		})
	}
	return table(os.Stdout, rows)
}

// verify prints how long verifications take of all logs, of what a purge leaves, and of as
// many logs without sealed days. They run in turns.
func (r *purgeRun) verify(ctx context.Context) error {
	if err := r.fillTemplate(ctx); err != nil {
		return err
	}
	names := []string{"all logs", "purged: sealed days and the logs that are left", "those logs alone"}
	databases := make([]build, len(names))
	for i := range databases {
		var err error
		if databases[i], err = r.copy(ctx, fmt.Sprintf("verified_%d", i)); err != nil {
			return err
		}
	}
	progress, err := databases[1].service.purge(ctx, keptDays, 1)
	if err != nil {
		return err
	}
	err = execute(ctx, databases[2].url,
		`DELETE FROM learning_log WHERE "timestamp" < '`+progress.PurgedBefore.Format(time.RFC3339Nano)+`'`,
		`TRUNCATE learning_log_aggregates`,
		rollup.AddSQL(rollup.SumsSQL(rollup.LogsSQL("learning_log"))))
	if err != nil {
		return err
	}
	rows := [][]string{{"what", "logs", "sealed days", "rows of the rollups", "seconds", "× those logs alone", "× all logs"}}
	took, read := make([]durations, len(names)), make([]int, len(names))
	for i, on := range databases {
		if err := execute(ctx, on.url, `VACUUM (ANALYZE) learning_log, learning_log_aggregates, learning_log_sealed_days`); err != nil {
			return err
		}
		var logs, sealed, rollups int
		if err := scanOne(ctx, on.url, `
			SELECT (SELECT count(*) FROM learning_log WHERE `+rollup.CountsSQL+`),
			       (SELECT count(*) FROM learning_log_sealed_days), (SELECT count(*) FROM learning_log_aggregates)`,
			&logs, &sealed, &rollups); err != nil {
			return err
		}
		read[i] = logs + sealed
		rows = append(rows, []string{names[i], fmt.Sprint(logs), fmt.Sprint(sealed), fmt.Sprint(rollups)})
	}
	for range r.flags.Rounds {
		for i, on := range databases {
			once, err := on.service.rebuild(ctx, true, 1, read[i])
			if err != nil {
				return fmt.Errorf("%s: %w", names[i], err)
			}
			took[i] = append(took[i], once)
		}
	}
	for i := range databases {
		rows[1+i] = append(rows[1+i], took[i].seconds(), took[i].over(took[2]), took[i].over(took[0]))
	}
	return table(os.Stdout, rows)
}

// walPosition returns how many bytes the server has written to its WAL.
func walPosition(ctx context.Context, url string) (position float64, err error) {
	err = scanOne(ctx, url, `SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn`, &position)
	return position, err
}

// scanOne reads the one row of a query.
func scanOne(ctx context.Context, url, query string, columns ...any) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	return connection.QueryRow(ctx, query).Scan(columns...)
}
