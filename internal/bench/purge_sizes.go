package main

import (
	"context"
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// sizes prints how large the tables are with logs of three years, of one and of a month, and
// all sums: as they were written or as a purge leaves them, and rewritten.
func (r *purgeRun) sizes(ctx context.Context) (err error) {
	const name, years = "sizes", 3
	service, url, err := r.scratch.newService(ctx, r.flags.Binary, name)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, func() error { return r.scratch.remove(ctx, service, name) }) }()
	users := r.usersOf(r.Sized / years)
	fmt.Fprintf(os.Stderr, "writing %d logs of %d users, day by day …\n", r.Sized, len(users))
	if err := fillByDay(ctx, url, r.Sized, years*year, users); err != nil {
		return err
	}
	rows := [][]string{{
		"months kept", "files", "logs", "table, MB", "indexes, MB", "bytes a log",
		"sealed days", "MB", "bytes each", "rows of the rollups", "MB", "bytes each", "all, MB", "× all months",
	}}
	var all int64
	add := func(months, files string) error {
		found, err := sizesOf(ctx, url)
		if err != nil {
			return err
		}
		if all == 0 {
			all = found.all()
		}
		rows = append(rows, append(append([]string{months, files}, found.cells()...), fmt.Sprintf("%.2f", float64(found.all())/float64(all))))
		return nil
	}
	for _, kept := range []struct {
		months string
		days   int
	}{{"36", 0}, {"12", year}, {"1", keptDays}} {
		left := "as they were written"
		if kept.days > 0 {
			fmt.Fprintf(os.Stderr, "purging all but %d days …\n", kept.days)
			if _, err := service.purge(ctx, kept.days, 1); err != nil {
				return err
			}
			left = "as the purge leaves them"
		}
		for _, state := range []struct{ files, statement string }{
			{left, `VACUUM (ANALYZE) learning_log, learning_log_aggregates, learning_log_sealed_days`},
			{"rewritten", `VACUUM (FULL, ANALYZE) learning_log`},
		} {
			if err := execute(ctx, url, state.statement); err != nil {
				return err
			}
			if err := add(kept.months, state.files); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%d learners, %.1f logs a day each\n", len(users), float64(r.Sized)/float64(years*year*len(users)))
	return table(os.Stdout, rows)
}

// fillByDay records logs and adds them to the rollups, day by day, so that all indexes become
// as those of a service.
func fillByDay(ctx context.Context, url string, logs, days int, users []uuid.UUID) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	if err := listUsers(ctx, connection, users); err != nil {
		return err
	}
	if _, err := connection.Exec(ctx, `CREATE TEMPORARY TABLE posted (LIKE learning_log)`); err != nil {
		return err
	}
	for day := range days {
		for _, statement := range []string{
			`TRUNCATE posted`,
			`INSERT INTO posted ` + mixedFilling().logsSQL(logs, logs*day/days, logs*(day+1)/days, days, len(users)),
			`INSERT INTO learning_log SELECT * FROM posted`,
			rollup.AddSQL(rollup.SumsSQL(rollup.LogsSQL("posted"))),
		} {
			if _, err := connection.Exec(ctx, statement, pgx.QueryExecModeExec); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
	}
	return nil
}

// sizes are the numbers of rows, and of bytes.
type sizes struct {
	Logs, Table, Indexes int64
	Sealed, SealedBytes  int64
	Rows, RowBytes       int64
}

func sizesOf(ctx context.Context, url string) (found sizes, err error) {
	err = scanOne(ctx, url, `
		SELECT (SELECT count(*) FROM learning_log), pg_table_size('learning_log'), pg_indexes_size('learning_log'),
		       (SELECT count(*) FROM learning_log_sealed_days), pg_total_relation_size('learning_log_sealed_days'),
		       (SELECT count(*) FROM learning_log_aggregates), pg_total_relation_size('learning_log_aggregates')`,
		&found.Logs, &found.Table, &found.Indexes, &found.Sealed, &found.SealedBytes, &found.Rows, &found.RowBytes)
	return found, err
}

func (s sizes) all() int64 { return s.Table + s.Indexes + s.SealedBytes + s.RowBytes }

func (s sizes) cells() []string {
	const megabyte = 1e6
	megabytes := func(bytes int64) string { return fmt.Sprintf("%.0f", float64(bytes)/megabyte) }
	each := func(bytes, rows int64) string { return fmt.Sprint(bytes / max(rows, 1)) }
	return []string{
		fmt.Sprint(s.Logs), megabytes(s.Table), megabytes(s.Indexes), each(s.Table+s.Indexes, s.Logs),
		fmt.Sprint(s.Sealed), megabytes(s.SealedBytes), each(s.SealedBytes, s.Sealed),
		fmt.Sprint(s.Rows), megabytes(s.RowBytes), each(s.RowBytes, s.Rows), megabytes(s.all()),
	}
}
