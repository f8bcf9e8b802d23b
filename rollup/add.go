package rollup

// AddSQL returns the statement that adds to the rollups. Nothing else adds to them, but for
// the parts of it below.
//
// sums is a relation, given by name or as a query in parentheses, with the columns
// user_id, granularity, period, words and entries. Each of its rows is added to one
// row of the rollup; negative numbers subtract. A row of the rollup may appear only
// once in it. [SumsSQL] makes such a relation from logs. sums is pasted into the
// statement: never pass anything that a client sent.
//
// Rows are always upserted in the order of their key. So two statements may wait for
// each other, but they don't deadlock.
func AddSQL(sums string) string {
	return AddRowsSQL(`
		SELECT user_id, granularity, period, words, entries
		FROM ` + sums + ` AS sums
		ORDER BY user_id, granularity, period`)
}

// AddRowsSQL is [AddSQL] for sums that are known: rows, as VALUES or a SELECT, with the
// same columns, in the order of the key of the rollup.
func AddRowsSQL(rows string) string {
	return InsertRowsSQL(rows) + `
		ON CONFLICT (user_id, granularity, period) DO UPDATE SET
		    total_word_count = a.total_word_count + excluded.total_word_count,
		    entry_count = a.entry_count + excluded.entry_count`
}

// InsertRowsSQL is [AddRowsSQL] for rows that the rollup doesn't have, and fails if it has one. It
// takes a little more than half as long, because PostgreSQL doesn't look for a row before it inserts it.
func InsertRowsSQL(rows string) string {
	return `
		INSERT INTO learning_log_aggregates AS a
		    (user_id, granularity, period, total_word_count, entry_count)` + rows
}

// SumsSQL returns a query, in parentheses, that sums logs per user, granularity and
// period, for [AddSQL].
//
// logs is a relation with the columns user_id, "timestamp", utc_offset, words and
// entries, as [LogsSQL] makes it. It is pasted into the query: never pass anything
// that a client sent.
func SumsSQL(logs string) string {
	return `(
		SELECT user_id, granularity::learning_log_granularity, ` + PeriodSQL("granularity") + ` AS period,
		       sum(words) AS words, sum(entries) AS entries
		FROM ` + logs + ` AS logs CROSS JOIN (VALUES ('day'), ('week'), ('month')) AS g (granularity)
		GROUP BY 1, 2, 3
	)`
}

// LogsSQL returns a query, in parentheses, of the logs that count, and of what each
// counts for: its words, and one entry. Writers add it by [SumsSQL], and it is a part of the
// truth of rebuilds: see [TruthSQL]. logs is the name of a relation with the columns of learning_log.
func LogsSQL(logs string) string {
	return `(SELECT user_id, "timestamp", utc_offset, word_count AS words, 1 AS entries
	         FROM ` + logs + ` WHERE ` + CountsSQL + `)`
}

// TruthSQL returns a query, in parentheses, of everything that the rollups are made from: the
// logs that count, and the sealed days.
func TruthSQL() string {
	return `(
		(SELECT user_id, "timestamp", utc_offset, words::bigint AS words, entries::bigint AS entries
		 FROM ` + LogsSQL("learning_log") + ` AS logs)
		UNION ALL ` + SealedSQL + `)`
}

// SealedSQL is a query, in parentheses, of the sealed days, with the columns that [LogsSQL]
// has: each is like a log of that date, in UTC, which has the words and the entries of all
// the logs that were purged.
const SealedSQL = `(
	SELECT user_id, day::timestamp AT TIME ZONE 'UTC' AS "timestamp", 0::smallint AS utc_offset,
	       total_word_count AS words, entry_count AS entries
	FROM learning_log_sealed_days)`

// CountsSQL is an SQL condition for logs that count: those that weren't voided.
const CountsSQL = `voided_at IS NULL`

// OppositeSQL returns a query, in parentheses, of the opposite of what logs counted for
// until now, for logs that stop to count, or to count on their date. logs is the name of a
// relation with the columns of learning_log.
func OppositeSQL(logs string) string {
	return `(SELECT user_id, "timestamp", utc_offset, -word_count AS words, -1 AS entries FROM ` + logs + `)`
}

// DateSQL is an SQL expression for the date of a log: the one that the learner's clock
// showed. The log's columns "timestamp" and utc_offset must be in scope. It equals
// [Offset.DateAt].
const DateSQL = LocalTimeSQL + `::date`

// PeriodSQL returns an SQL expression for the period of a log: its first date. The
// granularity is an SQL expression too. It equals [Granularity.Start] of [DateSQL].
func PeriodSQL(granularity string) string {
	return `date_trunc(` + granularity + `, ` + LocalTimeSQL + `)::date`
}

// LocalTimeSQL is an SQL expression for what the learner's clock showed, as a timestamp
// without a time zone. The log's columns "timestamp" and utc_offset must be in scope.
const LocalTimeSQL = `("timestamp" AT TIME ZONE make_interval(mins => utc_offset))`
