package sharding

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// Differences are what is to be added to rows of the rollups. [rollup.AddSQL] would sum the
// logs in the statement that adds; but a statement with values alone goes to one node as it
// is, and needs nothing from others.
type Differences map[Row]rollup.Sums

// Row is the key of a row of the rollups.
type Row struct {
	UserID      uuid.UUID
	Granularity rollup.Granularity
	Period      rollup.Date
}

// compare orders rows as PostgreSQL does.
func (r Row) compare(other Row) int {
	granularity := func(of Row) int { return slices.Index(rollup.Granularities(), of.Granularity) }
	return cmp.Or(
		slices.Compare(r.UserID[:], other.UserID[:]),
		cmp.Compare(granularity(r), granularity(other)),
		cmp.Compare(r.Period, other.Period))
}

// Count counts a log on a date, or takes it back: then sign is -1.
func (d Differences) Count(user uuid.UUID, date rollup.Date, words int, sign int64) {
	d.CountSums(user, date, rollup.Sums{TotalWordCount: sign * int64(words), EntryCount: sign})
}

// CountSums counts sums of a date, which may be negative.
func (d Differences) CountSums(user uuid.UUID, date rollup.Date, sums rollup.Sums) {
	for _, granularity := range rollup.Granularities() {
		row := Row{user, granularity, granularity.Start(date)}
		d[row] = d[row].Plus(sums)
	}
}

// Add adds the differences to the rollups, in the order of their rows. So two transactions
// may wait for each other, but they don't deadlock.
func (d Differences) Add(ctx context.Context, tx pgx.Tx) error {
	maps.DeleteFunc(d, func(_ Row, sums rollup.Sums) bool { return sums == rollup.Sums{} })
	rows := slices.SortedFunc(maps.Keys(d), Row.compare)
	for some := range slices.Chunk(rows, RowsPerStatement) {
		var values []any
		for _, row := range some {
			values = append(values, row.UserID, string(row.Granularity), row.Period.Time(), d[row].TotalWordCount, d[row].EntryCount)
		}
		sql := rollup.AddValuesSQL(ValuesSQL(len(some), `?::uuid, ?::learning_log_granularity, ?::date, ?::bigint, ?::bigint`))
		if _, err := tx.Exec(ctx, sql, Unprepared(values)...); err != nil {
			return err
		}
	}
	return nil
}

// RowsPerStatement bounds the parameters of a statement: PostgreSQL allows 65,535.
const RowsPerStatement = 5000

// ValuesSQL returns so many rows for VALUES. Each question mark of a row becomes a
// parameter of its own.
func ValuesSQL(rows int, row string) string {
	var sql strings.Builder
	parts, parameter := strings.Split(row, "?"), 0
	for n := range rows {
		sql.WriteString([]string{"(", ", ("}[min(n, 1)])
		for i, part := range parts {
			if i > 0 {
				parameter++
				fmt.Fprintf(&sql, "$%d", parameter)
			}
			sql.WriteString(part)
		}
		sql.WriteByte(')')
	}
	return sql.String()
}

// Unprepared makes pgx send a statement and its parameters at once. There is one for each
// number of rows, so preparing them isn't worth it.
func Unprepared(values []any) []any { return append([]any{pgx.QueryExecModeExec}, values...) }

// LogsSQL is a condition for the logs with the users $1 and the request ids $2, which belong
// together. Citus finds their shards by the users.
const LogsSQL = `user_id = ANY($1::uuid[]) AND (user_id, request_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))`
