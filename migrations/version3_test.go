package migrations_test

// The statements of the program whose tables had version 3, as it sent them. Processes
// of it may still be running when the tables are migrated.

const insertOfVersion3 = `
	WITH recorded AS (
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT request_id, user_id, word_count, "timestamp"
		FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[]) WITH ORDINALITY
		    AS submitted (request_id, user_id, word_count, "timestamp", place)
		ORDER BY request_id, place
		ON CONFLICT DO NOTHING
		RETURNING request_id, user_id, word_count, "timestamp", recorded_at
	), added AS (
		INSERT INTO learning_log_aggregates AS a
		    (user_id, granularity, period, total_word_count, entry_count)
		SELECT user_id, granularity, period, words, entries
		FROM (
			SELECT user_id, granularity, date_trunc(granularity, "timestamp", $5) AS period,
			       sum(words) AS words, sum(entries) AS entries
			FROM (SELECT user_id, "timestamp", word_count AS words, 1 AS entries FROM recorded) AS logs
			    CROSS JOIN (VALUES ('day'), ('week'), ('month')) AS g (granularity)
			GROUP BY 1, 2, 3
		) AS sums
		ORDER BY user_id, granularity, period
		ON CONFLICT (user_id, granularity, period) DO UPDATE SET
		    total_word_count = a.total_word_count + excluded.total_word_count,
		    entry_count = a.entry_count + excluded.entry_count
	)
	SELECT request_id, user_id, word_count, "timestamp", recorded_at FROM recorded`

const summaryOfVersion3 = `
	SELECT period, total_word_count, entry_count
	FROM learning_log_aggregates
	WHERE user_id = $1 AND granularity = $2 AND period BETWEEN $3 AND $4`

const truthOfVersion3 = `
	WITH daily AS MATERIALIZED (
	    SELECT user_id, date_trunc('day', "timestamp" AT TIME ZONE @zone) AS day,
	           sum(words) AS words, sum(entries) AS entries
	    FROM (SELECT user_id, "timestamp", word_count AS words, 1 AS entries FROM learning_log) AS logs
	    WHERE user_id BETWEEN @first AND @last AND "timestamp" >= @logs_lower AND "timestamp" < @logs_upper
	    GROUP BY 1, 2
	), weekly AS MATERIALIZED (
	    SELECT user_id, date_trunc('week', day) AS week, sum(words)::bigint AS words, sum(entries)::bigint AS entries
	    FROM daily GROUP BY 1, 2
	), monthly AS MATERIALIZED (
	    SELECT user_id, date_trunc('month', day) AS month, sum(words)::bigint AS words, sum(entries)::bigint AS entries
	    FROM daily GROUP BY 1, 2
	), truth (user_id, granularity, period, words, entries) AS (
	    SELECT user_id, 'day', day AT TIME ZONE @zone, words, entries
	    FROM daily WHERE day >= @day_first AND day < @day_end
	    UNION ALL
	    SELECT user_id, 'week', week AT TIME ZONE @zone, words, entries
	    FROM weekly WHERE week >= @week_first AND week < @week_end
	    UNION ALL
	    SELECT user_id, 'month', month AT TIME ZONE @zone, words, entries
	    FROM monthly WHERE month >= @month_first AND month < @month_end
	), rollup AS (
	    SELECT user_id, granularity, period, total_word_count AS words, entry_count AS entries
	    FROM learning_log_aggregates
	    WHERE user_id BETWEEN @first AND @last AND CASE granularity
	        WHEN 'day' THEN period >= @day_lower AND period < @day_upper
	        WHEN 'week' THEN period >= @week_lower AND period < @week_upper
	        ELSE period >= @month_lower AND period < @month_upper END
	)`

const joinedOfVersion3 = `, differing AS (
	    SELECT user_id, granularity, period, rollup.words AS was_words, rollup.entries AS was_entries,
	           truth.words AS is_words, truth.entries AS is_entries
	    FROM truth FULL JOIN rollup USING (user_id, granularity, period)
	    WHERE truth.words IS DISTINCT FROM rollup.words OR truth.entries IS DISTINCT FROM rollup.entries
	)` + driftOfVersion3

const groupedOfVersion3 = `, differing AS (
	    SELECT user_id, granularity, period, max(was_words) AS was_words, max(was_entries) AS was_entries,
	           max(is_words) AS is_words, max(is_entries) AS is_entries
	    FROM (
	        SELECT user_id, granularity, period, words AS is_words, entries AS is_entries,
	               NULL::bigint AS was_words, NULL::bigint AS was_entries
	        FROM truth
	        UNION ALL
	        SELECT user_id, granularity, period, NULL, NULL, words, entries FROM rollup
	    ) AS both_sides
	    GROUP BY user_id, granularity, period
	    HAVING max(is_words) IS DISTINCT FROM max(was_words) OR max(is_entries) IS DISTINCT FROM max(was_entries)
	)` + driftOfVersion3

const driftOfVersion3 = `, drift AS (
	    SELECT user_id, granularity, period,
	           coalesce(was_words, 0) AS was_words, coalesce(was_entries, 0) AS was_entries,
	           coalesce(is_words, 0) AS is_words, coalesce(is_entries, 0) AS is_entries
	    FROM differing
	)`

const repairOfVersion3 = `, differences AS (
	    SELECT user_id, granularity, period,
	           is_words::numeric - was_words AS words, is_entries::numeric - was_entries AS entries,
	           greatest(abs(is_words::numeric - was_words), abs(is_entries::numeric - was_entries)) < 2^62 AS fit
	    FROM drift
	    WHERE (is_words, is_entries) <> (was_words, was_entries)
	), repaired_extremes AS (
	    UPDATE learning_log_aggregates AS a SET
	        total_word_count = a.total_word_count + words,
	        entry_count = a.entry_count + entries
	    FROM differences AS d
	    WHERE NOT fit AND (a.user_id, a.granularity, a.period) = (d.user_id, d.granularity, d.period)
	), repaired AS (
		INSERT INTO learning_log_aggregates AS a
		    (user_id, granularity, period, total_word_count, entry_count)
		SELECT user_id, granularity, period, words, entries
		FROM (
		    SELECT user_id, granularity, period, words::bigint AS words, entries::bigint AS entries
		    FROM differences WHERE fit
		) AS sums
		ORDER BY user_id, granularity, period
		ON CONFLICT (user_id, granularity, period) DO UPDATE SET
		    total_word_count = a.total_word_count + excluded.total_word_count,
		    entry_count = a.entry_count + excluded.entry_count
	)`

const findingsOfVersion3 = `
	SELECT read.users, read.logs,
	       user_id, granularity, period, was_words, was_entries, is_words, is_entries
	FROM (
	    SELECT count(DISTINCT user_id) AS users, coalesce(sum(entries), 0)::bigint AS logs
	    FROM monthly WHERE month >= @month_first AND month < @month_end
	) AS read
	LEFT JOIN drift ON true
	ORDER BY user_id, granularity, period`

const (
	verifyOfVersion3  = truthOfVersion3 + joinedOfVersion3 + findingsOfVersion3
	rebuildOfVersion3 = truthOfVersion3 + groupedOfVersion3 + repairOfVersion3 + findingsOfVersion3
)
