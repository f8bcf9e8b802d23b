package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// totals compares what can be seen of the sums of each user before and after a purge, byte
// for byte, and what a rebuild makes from nothing.
func (r *purgeRun) totals(ctx context.Context) (err error) {
	const name = "totals"
	service, url, err := r.scratch.newService(ctx, r.flags.Binary, name)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, func() error { return r.scratch.remove(ctx, service, name) }) }()
	users := newIDs(r.flags.Users)
	fmt.Fprintf(os.Stderr, "filling a table with %d logs …\n", r.Logs)
	if err := mixedFilling().fill(ctx, url, r.Logs, users); err != nil {
		return err
	}
	on, asked := build{service, url}, time.Now().UTC()
	before, err := r.answers(ctx, on, users, asked)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "purging …")
	walBefore, err := walPosition(ctx, url)
	if err != nil {
		return err
	}
	progress, err := service.purge(ctx, keptDays, 1)
	if err != nil {
		return err
	}
	walAfter, err := walPosition(ctx, url)
	if err != nil {
		return err
	}
	after, err := r.answers(ctx, on, users, asked)
	if err != nil {
		return err
	}
	var logs, voided, sealed int
	if err := scanOne(ctx, url, `
		SELECT (SELECT count(*) FROM learning_log), (SELECT count(voided_at) FROM learning_log),
		       (SELECT count(*) FROM learning_log_sealed_days)`, &logs, &voided, &sealed); err != nil {
		return err
	}
	fmt.Printf("%d logs purged in %.0f seconds, with %.0f bytes of WAL each; %d sealed days; %d logs left, %d of them voided\n",
		progress.LogsPurged, progress.Seconds, (walAfter-walBefore)/float64(progress.LogsPurged), sealed, logs, voided)

	fmt.Fprintln(os.Stderr, "rebuilding from nothing …")
	if err := execute(ctx, url, `TRUNCATE learning_log_aggregates`); err != nil {
		return err
	}
	job, err := service.callRebuild(ctx, http.MethodPost, "", `{"max_logs_per_second": 0}`)
	if err == nil {
		job, err = service.awaitRebuild(ctx, job.ID, func(job rebuildAnswer) bool { return job.FinishedAt != nil })
	}
	if err != nil || job.State != "completed" {
		return errors.Join(err, fmt.Errorf("the rebuild ended as %+v", job))
	}
	rebuilt, err := r.answers(ctx, on, users, asked)
	if err != nil {
		return err
	}
	differ, differRebuilt := 0, 0
	for user := range before {
		if before[user] != after[user] {
			differ++
		}
		if before[user] != rebuilt[user] {
			differRebuilt++
		}
	}
	fmt.Printf("of %d learners, %d have other totals after the purge, and %d after a rebuild from nothing\n",
		len(before), differ, differRebuilt)
	if len(before) != len(users) || differ+differRebuilt > 0 {
		return errors.New("totals differ")
	}
	return nil
}

// answers returns a digest of each user's rows of the rollups, and of what the service
// answers about the sums of each: the summary of each granularity, the days of two years, and
// the streaks. The dates that are asked for are those around an instant. It fails on another
// day, which would be another today.
func (r *purgeRun) answers(ctx context.Context, on build, users []uuid.UUID, at time.Time) (map[uuid.UUID]string, error) {
	fmt.Fprintf(os.Stderr, "asking for all answers about %d users …\n", len(users))
	digests := make(map[uuid.UUID]hash.Hash, len(users))
	for _, user := range users {
		digests[user] = sha256.New()
	}
	if err := digestRows(ctx, on.url, digests); err != nil {
		return nil, err
	}
	const clients = 8
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	working, ctx := errgroup.WithContext(ctx)
	working.SetLimit(clients)
	for user, digest := range digests {
		working.Go(func() error {
			for _, path := range answerPaths(at) {
				if err := get(ctx, &client, "http://"+on.service.address+"/v1/users/"+user.String()+path, digest); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := working.Wait(); err != nil {
		return nil, err
	}
	if time.Now().UTC().YearDay() != at.YearDay() {
		return nil, errors.New("it is another day: begin again")
	}
	found := make(map[uuid.UUID]string, len(users))
	for user, digest := range digests {
		found[user] = string(digest.Sum(nil))
	}
	return found, nil
}

func answerPaths(at time.Time) []string {
	// From before the oldest log to tomorrow, which it may be already elsewhere.
	dates := "&from=" + at.AddDate(-1, -1, 0).Format(time.DateOnly) + "&to=" + at.AddDate(0, 0, 1).Format(time.DateOnly)
	paths := []string{"/streak?time_zone=UTC"}
	for _, granularity := range []string{"day", "week", "month", "year"} {
		paths = append(paths, "/summary?granularity="+granularity+dates)
	}
	for _, year := range []int{at.Year() - 1, at.Year()} {
		paths = append(paths, fmt.Sprintf("/activity?year=%d", year))
	}
	return append(paths, "/summary?granularity=total")
}

// digestRows adds each user's rows of the rollups to the digest.
func digestRows(ctx context.Context, url string, digests map[uuid.UUID]hash.Hash) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	rows, err := connection.Query(ctx, `
		SELECT user_id, a::text FROM learning_log_aggregates AS a ORDER BY user_id, granularity, period`)
	if err != nil {
		return err
	}
	var user uuid.UUID
	var row string
	_, err = pgx.ForEachRow(rows, []any{&user, &row}, func() error {
		_, err := fmt.Fprintln(digests[user], row)
		return err
	})
	return err
}

func get(ctx context.Context, client *http.Client, url string, to io.Writer) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, response.Body.Close) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s was answered %s", url, response.Status)
	}
	_, err = io.Copy(to, response.Body)
	return err
}
