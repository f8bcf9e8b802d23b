package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// sizeCommand compares a table with many logs with an empty one.
type sizeCommand struct {
	Logs   int           `default:"10000000" help:"How many logs the full table has, of the last year."`
	WarmUp time.Duration `default:"20s" help:"How long each table is posted to before the first round. A server that has just started reads pages from files, and writes each page whole to its WAL."`
}

// sized is a table that is posted to, and what was found.
type sized struct {
	service *service
	url     string
	ids     string // the kind of request ids
	newID   func() uuid.UUID
	full    bool
	found   series
	cold    result // of the time before the first round
	// posted is how many logs were, and wal how many bytes were written to PostgreSQL's log
	// for them.
	posted int
	wal    float64
	before []relation
}

// Run prints the rates for random request ids and for request ids ordered by time, and
// which pages the logs touched.
func (c *sizeCommand) Run(ctx context.Context, f *flags) (err error) {
	scratch, err := newScratch(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, scratch.close) }()
	users := newIDs(f.Users)
	var tables []*sized // an empty one is followed by the full one with such request ids
	for _, kind := range []struct {
		name  string
		sql   string
		newID func() uuid.UUID
	}{
		{"random", randomIDSQL, randomID},
		{"ordered", orderedIDSQL, orderedID},
	} {
		for name, full := range []bool{false, true} {
			table := &sized{ids: kind.name, newID: kind.newID, full: full}
			name := []string{"empty", "full"}[name]
			if table.service, table.url, err = scratch.newService(ctx, f.Binary, name+"_"+kind.name); err != nil {
				return err
			}
			tables = append(tables, table)
			if !full {
				continue
			}
			fmt.Fprintf(os.Stderr, "filling a table with %d logs with %s request ids …\n", c.Logs, kind.name)
			if err := fill(ctx, table.url, c.Logs, users, kind.sql); err != nil {
				return err
			}
		}
	}
	fmt.Printf("PostgreSQL %d, %d users, %d logs in the full tables; every figure is least / median / most of %d rounds of %s each\n",
		scratch.server.Version(), f.Users, c.Logs, f.Rounds, f.Duration)
	for _, clients := range f.Clients {
		if err := c.compare(ctx, f, tables, users, clients); err != nil {
			return err
		}
	}
	return nil
}

// compare posts to the tables in turns.
func (c *sizeCommand) compare(ctx context.Context, f *flags, tables []*sized, users []uuid.UUID, clients int) (err error) {
	turn := func(of *sized, duration time.Duration) load {
		return load{service: of.service, clients: clients, batch: 1, users: users, newID: of.newID, duration: duration}
	}
	for _, table := range tables {
		if table.cold, err = turn(table, c.WarmUp).run(ctx); err != nil {
			return err
		}
	}
	const untilReported = 11 * time.Second // of what a connection has looked at that has become idle
	time.Sleep(untilReported)
	for _, table := range tables {
		table.found, table.posted, table.wal = nil, 0, 0
		if table.before, err = relationsOf(ctx, table.url); err != nil {
			return err
		}
	}
	for range f.Rounds {
		for _, table := range tables {
			if err := table.post(ctx, turn(table, f.Duration)); err != nil {
				return err
			}
		}
	}
	time.Sleep(untilReported)
	rates := [][]string{{"clients", "request ids", "table", "at first, logs/s", "then", "full / empty", "service, µs", "PostgreSQL, µs", "full / empty", "bytes of WAL a log"}}
	pages := [][]string{{"request ids", "table", "relation", "pages", "looked at, a log", "not in shared_buffers"}}
	for i, of := range tables {
		name, faster, dearer := "empty", "", ""
		if of.full {
			empty := tables[i-1]
			name, faster, dearer = "full", of.found.over(empty.found), of.found.ratios(empty.found, inDatabase)
		}
		rates = append(rates, []string{
			fmt.Sprint(clients), of.ids, name, fmt.Sprintf("%.0f", of.cold.rate), of.found.rates(), faster, of.found.service(), of.found.database(), dearer,
		})
		each := func(figure float64) string { return fmt.Sprintf("%.2f", figure/float64(of.posted)) }
		after, err := relationsOf(ctx, of.url)
		if err != nil {
			return err
		}
		for i, relation := range after {
			before := of.before[i]
			pages = append(pages, []string{
				of.ids, name, relation.Name, fmt.Sprint(relation.Pages), each(float64(relation.Looked - before.Looked)), each(float64(relation.Read - before.Read)),
			})
		}
		rates[len(rates)-1] = append(rates[len(rates)-1], each(of.wal))
	}
	if err := table(os.Stdout, rates); err != nil {
		return err
	}
	fmt.Println()
	return table(os.Stdout, pages)
}

// post puts load on the table.
func (s *sized) post(ctx context.Context, load load) error {
	before, err := walPosition(ctx, s.url)
	if err != nil {
		return err
	}
	found, err := load.run(ctx)
	if err != nil {
		return err
	}
	after, err := walPosition(ctx, s.url)
	if err != nil {
		return err
	}
	s.found = append(s.found, found)
	s.posted += found.answers
	s.wal += after - before
	return nil
}

// relation is a table or an index.
type relation struct {
	Name string
	// Pages is how many it has, Looked how often one was looked at, and Read how often it
	// wasn't in shared_buffers then.
	Pages, Looked, Read int
}

// relationsOf returns the relations that logs are written to.
func relationsOf(ctx context.Context, url string) ([]relation, error) {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close(ctx) }()
	rows, err := connection.Query(ctx, `
		SELECT relname, pg_relation_size(relid) / current_setting('block_size')::int, hit + read, read
		FROM (
		    SELECT relname, relid, heap_blks_hit AS hit, heap_blks_read AS read FROM pg_statio_user_tables
		    UNION ALL
		    SELECT indexrelname, indexrelid, idx_blks_hit, idx_blks_read FROM pg_statio_user_indexes
		) AS io
		WHERE relname IN ('learning_log', 'learning_log_pkey', 'learning_log_counted_idx',
		                  'learning_log_aggregates', 'learning_log_aggregates_pkey')
		ORDER BY relname`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[relation])
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
