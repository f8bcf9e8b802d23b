package sharding

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

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
	if len(d) == 0 {
		return nil
	}
	var users pgtype.FlatArray[pgtype.UUID]
	var granularities pgtype.FlatArray[string]
	var periods pgtype.FlatArray[pgtype.Date]
	var words, entries pgtype.FlatArray[int64]
	for _, row := range slices.SortedFunc(maps.Keys(d), Row.compare) {
		users = append(users, pgtype.UUID{Bytes: row.UserID, Valid: true})
		granularities = append(granularities, string(row.Granularity))
		periods = append(periods, pgtype.Date{Time: row.Period.Time(), Valid: true})
		words, entries = append(words, d[row].TotalWordCount), append(entries, d[row].EntryCount)
	}
	rows, arguments := RowsSQL(`$1::uuid, $2::text::learning_log_granularity, $3::date, $4::bigint, $5::bigint`,
		users, granularities, periods, words, entries)
	_, err := tx.Exec(ctx, rollup.AddRowsSQL(rows), arguments...)
	return err
}

// LogsSQL is a condition for the logs with the users $1 and the request ids $2, which belong
// together. Citus finds their shards by the users.
const LogsSQL = `user_id = ANY($1::uuid[]) AND (user_id, request_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))`
