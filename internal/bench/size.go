package main

import (
	"context"
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// sizeCommand compares a table with many logs with an empty one.
type sizeCommand struct {
	Logs int `default:"10000000" help:"How many logs the full table has, of the last year."`
}

// Run prints the rates for random request ids and for request ids ordered by time.
func (c *sizeCommand) Run(ctx context.Context, f *flags) (err error) {
	scratch, err := newScratch(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, scratch.close) }()
	users := newIDs(f.Users)
	kinds := []struct {
		name  string
		sql   string
		newID func() uuid.UUID
	}{
		{"random", randomIDSQL, randomID},
		{"ordered", orderedIDSQL, orderedID},
	}
	var full, empty [2]*service
	for i, kind := range kinds {
		if empty[i], _, err = scratch.newService(ctx, f.Binary, "empty_"+kind.name); err != nil {
			return err
		}
		var url string
		if full[i], url, err = scratch.newService(ctx, f.Binary, "full_"+kind.name); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "filling a table with %d logs with %s request ids …\n", c.Logs, kind.name)
		if err := fill(ctx, url, c.Logs, users, kind.sql); err != nil {
			return err
		}
	}
	rows := [][]string{{"clients", "request ids", "empty table, logs/s", fmt.Sprintf("%d logs, logs/s", c.Logs), "full / empty"}}
	for _, clients := range f.Clients {
		for i, kind := range kinds {
			var inEmpty, inFull series
			for range f.Rounds {
				for _, turn := range []struct {
					service *service
					found   *series
				}{{empty[i], &inEmpty}, {full[i], &inFull}} {
					load := load{
						service: turn.service, clients: clients, batch: 1,
						users: users, newID: kind.newID, duration: f.Duration,
					}
					found, err := load.run(ctx)
					if err != nil {
						return err
					}
					*turn.found = append(*turn.found, found)
				}
			}
			rows = append(rows, []string{fmt.Sprint(clients), kind.name, inEmpty.rates(), inFull.rates(), inFull.over(inEmpty)})
		}
	}
	return table(os.Stdout, rows)
}

// newService starts a service on a new database, and returns the database's address
// too.
func (s *scratch) newService(ctx context.Context, binary, name string, arguments ...string) (*service, string, error) {
	url, err := s.database(ctx, name)
	if err != nil {
		return nil, "", err
	}
	running, err := s.serve(ctx, binary, url, arguments...)
	return running, url, err
}

const (
	randomIDSQL  = `gen_random_uuid()`
	orderedIDSQL = `(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' ||
	    substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid`
)

// filling is what the logs of a table are like, as SQL expressions. In scope are i, the
// number of the log in the order of time, and passed, which share of the time that is, of
// 1; except for active also n, the number of the user, and at, the timestamp.
type filling struct {
	requestID string
	// active is the share of the users who have logs then.
	active string
	// offset, given and voided are as in the table.
	offset, given, voided string
}

// fill records logs of the last year, ordered by time, and their rollups. It creates
// the indexes afterwards, because that is faster.
func fill(ctx context.Context, url string, logs int, users []uuid.UUID, idSQL string) error {
	return filling{requestID: idSQL, active: `1`, offset: `0`, given: `false`, voided: `NULL::timestamptz`}.fill(ctx, url, logs, users)
}

func (f filling) fill(ctx context.Context, url string, logs int, users []uuid.UUID) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	if err := listUsers(ctx, connection, users); err != nil {
		return err
	}
	for _, statement := range []string{
		`ALTER TABLE learning_log DROP CONSTRAINT learning_log_pkey`,
		`DROP INDEX learning_log_counted_idx`,
		`INSERT INTO learning_log ` + f.logsSQL(logs, 0, logs, year, len(users)),
		`ALTER TABLE learning_log ADD PRIMARY KEY (request_id)`,
		`CREATE INDEX learning_log_counted_idx ON learning_log (user_id, "timestamp")
			INCLUDE (word_count, utc_offset) WHERE voided_at IS NULL`,
		rollup.AddSQL(rollup.SumsSQL(rollup.LogsSQL("learning_log"))),
		`CREATE INDEX in_order_of_time ON learning_log_aggregates (period)`,
		`CLUSTER learning_log_aggregates USING in_order_of_time`, // the order in which the rows would have been written
		`DROP INDEX in_order_of_time`,
		`VACUUM (ANALYZE) learning_log, learning_log_aggregates`,
		`CHECKPOINT`,
	} {
		if _, err := connection.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// listUsers creates a temporary table of the users, by number.
func listUsers(ctx context.Context, connection *pgx.Conn, users []uuid.UUID) error {
	_, err := connection.Exec(ctx, `CREATE TEMPORARY TABLE users AS
		SELECT row_number() OVER () AS n, id FROM unnest($1::uuid[]) AS id`, users)
	return err
}

// logsSQL returns a query of the rows from one number to another, of so many logs in the
// last days, ordered by time.
func (f filling) logsSQL(logs, after, last, days, users int) string {
	return fmt.Sprintf(`(request_id, user_id, word_count, "timestamp", recorded_at, utc_offset, offset_given, voided_at, changed_at)
		SELECT %s, users.id, random() * 50, at, at, %s, %s, %s, %s
		FROM (
		    SELECT i, passed, now() - interval '1 day' * %d * (1 - passed) AS at, 1 + floor(random() * %d * %s)::int AS n
		    FROM generate_series(%d + 1, %d) AS i, LATERAL (SELECT i / %d::float8 AS passed) AS p
		) AS generated JOIN users USING (n)
		ORDER BY at`, f.requestID, f.offset, f.given, f.voided, f.voided, days, users, f.active, after, last, logs)
}
