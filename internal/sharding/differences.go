package sharding

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
	var addends Addends
	for _, row := range slices.SortedFunc(maps.Keys(d), Row.compare) {
		addends.Append(row, d[row])
	}
	return addends.Add(ctx, tx)
}

// Addends are what is to be added to rows of the rollups, as arrays, in the order of the rows.
type Addends struct {
	users          pgtype.FlatArray[pgtype.UUID]
	granularities  pgtype.FlatArray[string]
	periods        pgtype.FlatArray[pgtype.Date]
	words, entries pgtype.FlatArray[int64]
}

// Append appends what is to be added to the next row.
func (a *Addends) Append(to Row, sums rollup.Sums) {
	a.users = append(a.users, pgtype.UUID{Bytes: to.UserID, Valid: true})
	a.granularities = append(a.granularities, string(to.Granularity))
	a.periods = append(a.periods, pgtype.Date{Time: to.Period.Time(), Valid: true})
	a.words, a.entries = append(a.words, sums.TotalWordCount), append(a.entries, sums.EntryCount)
}

// Add adds them to the rollups.
func (a *Addends) Add(ctx context.Context, tx pgx.Tx) error {
	return a.send(ctx, tx, rollup.AddRowsSQL)
}

// AddMissing is Add for rows that the rollups don't have yet, as it seems. If somebody inserts
// one meanwhile, it begins again.
func (a *Addends) AddMissing(ctx context.Context, tx pgx.Tx) error {
	err := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error { return a.send(ctx, savepoint, rollup.InsertRowsSQL) })
	if failed, ok := errors.AsType[*pgconn.PgError](err); ok && failed.Code == pgerrcode.UniqueViolation {
		return a.Add(ctx, tx)
	}
	return err
}

func (a *Addends) send(ctx context.Context, tx pgx.Tx, statement func(rows string) string) error {
	if len(a.users) == 0 {
		return nil
	}
	rows, arguments := RowsSQL(`$1::uuid, $2::text::learning_log_granularity, $3::date, $4::bigint, $5::bigint`,
		a.users, a.granularities, a.periods, a.words, a.entries)
	_, err := tx.Exec(ctx, statement(rows), arguments...)
	return err
}

// LogsSQL is a condition for the logs with the users $1 and the request ids $2, which belong
// together. Citus finds their shards by the users.
const LogsSQL = `user_id = ANY($1::uuid[]) AND (user_id, request_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))`
