package rollup

// AddSQL returns the statement that adds to the rollups. Nothing else adds to them,
// except a rebuild to a corrupt row whose difference doesn't fit into a bigint.
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
	return `
		INSERT INTO learning_log_aggregates AS a
		    (user_id, granularity, period, total_word_count, entry_count)
		SELECT user_id, granularity, period, words, entries
		FROM ` + sums + ` AS sums
		ORDER BY user_id, granularity, period
		ON CONFLICT (user_id, granularity, period) DO UPDATE SET
		    total_word_count = a.total_word_count + excluded.total_word_count,
		    entry_count = a.entry_count + excluded.entry_count`
}

// SumsSQL returns a query, in parentheses, that sums logs per user, granularity and
// period, for [AddSQL].
//
// logs is a relation with the columns user_id, "timestamp", words and entries, as
// [LogsSQL] makes it. zone is an SQL expression, usually a parameter, for the name
// of the time zone of the periods. Both are pasted into the query: never pass
// anything that a client sent.
func SumsSQL(logs, zone string) string {
	return `(
		SELECT user_id, granularity, date_trunc(granularity, "timestamp", ` + zone + `) AS period,
		       sum(words) AS words, sum(entries) AS entries
		FROM ` + logs + ` AS logs CROSS JOIN (VALUES ('day'), ('week'), ('month')) AS g (granularity)
		GROUP BY 1, 2, 3
	)`
}

// LogsSQL returns a query, in parentheses, of what each log counts for: its words, and
// one entry. Writers add it by [SumsSQL], and rebuilds take it for the truth. logs is
// the name of a relation with the columns of learning_log.
func LogsSQL(logs string) string {
	return `(SELECT user_id, "timestamp", word_count AS words, 1 AS entries FROM ` + logs + `)`
}
