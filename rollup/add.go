package rollup

// AddSQL returns the statement that adds to the rollups, the only one that does.
//
// sums is a relation, by name or as a query in parentheses, with the columns user_id,
// granularity, period, words and entries: what is to be added to each row of the
// rollup, a row only once; a negative number takes away. [SumsSQL] makes one of logs.
// It is pasted into the statement: never pass what a client sent.
//
// Rows are upserted in the order of their key, by whoever adds, so that two
// statements may wait for each other but do not deadlock.
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

// SumsSQL returns the query, in parentheses, of what logs come to in each of their
// periods, for [AddSQL].
//
// logs is a relation with the columns user_id, "timestamp", words and entries, such as
// [LogsSQL] makes. zone is the SQL expression, usually a parameter, of the name of the zone whose
// periods are meant. Both are pasted into the query: never pass what a client sent.
func SumsSQL(logs, zone string) string {
	return `(
		SELECT user_id, granularity, date_trunc(granularity, "timestamp", ` + zone + `) AS period,
		       sum(words) AS words, sum(entries) AS entries
		FROM ` + logs + ` AS logs CROSS JOIN (VALUES ('day'), ('week'), ('month')) AS g (granularity)
		GROUP BY 1, 2, 3
	)`
}

// LogsSQL returns the query, in parentheses, of what each log adds, for [SumsSQL]: its
// words, and itself. logs is the name of a relation with the columns of learning_log.
func LogsSQL(logs string) string {
	return `(SELECT user_id, "timestamp", word_count AS words, 1 AS entries FROM ` + logs + `)`
}
