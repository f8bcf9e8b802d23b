package rollup

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// driftSQL counts the truth of a run of users and takes the rollup from it. The
// logs are read once, for days; weeks and months are counted from those days.
//
// The difference is a grouped UNION ALL rather than a FULL JOIN, as a database
// that is distributed by user pushes that down to its shards.
const driftSQL = `
	WITH scope (granularity, lower, upper) AS (
	    SELECT * FROM unnest($3::text[], $4::timestamptz[], $5::timestamptz[])
	), daily AS (
	    SELECT user_id, date_trunc('day', "timestamp", $8) AS day, sum(word_count) AS words, count(*) AS entries
	    FROM learning_log
	    WHERE user_id BETWEEN $1 AND $2 AND "timestamp" >= $6 AND "timestamp" < $7
	    GROUP BY 1, 2
	), truth (user_id, granularity, period, words, entries) AS (
	    SELECT user_id, 'day', day, words, entries FROM daily
	    UNION ALL
	    SELECT user_id, 'week', date_trunc('week', day, $8) AS week, sum(words), sum(entries)
	    FROM daily GROUP BY user_id, week
	    UNION ALL
	    SELECT user_id, 'month', date_trunc('month', day, $8) AS month, sum(words), sum(entries)
	    FROM daily GROUP BY user_id, month
	), drift AS (
	    SELECT user_id, granularity, period,
	           sum(was_words)::bigint AS was_words, sum(was_entries)::bigint AS was_entries,
	           sum(is_words)::bigint  AS is_words,  sum(is_entries)::bigint  AS is_entries,
	           greatest(abs(sum(is_words) - sum(was_words)), abs(sum(is_entries) - sum(was_entries))) < 2^62 AS fits
	    FROM (
	        SELECT user_id, granularity, period,
	               0 AS was_words, 0 AS was_entries, words AS is_words, entries AS is_entries
	        FROM truth
	        UNION ALL
	        SELECT user_id, granularity, period, total_word_count, entry_count, 0, 0
	        FROM learning_log_aggregates
	        WHERE user_id BETWEEN $1 AND $2
	    ) AS both_sides
	    JOIN scope USING (granularity)
	    WHERE period >= lower AND period < upper
	    GROUP BY 1, 2, 3
	    HAVING sum(is_words) <> sum(was_words) OR sum(is_entries) <> sum(was_entries)
	)`

// driftArguments returns the arguments of driftSQL.
func driftArguments(scope Scope, users userRange, zone *time.Location) []any {
	// Where the clocks show midnight twice, a day has logs from before its
	// start. The periods are cut exactly, so a few logs more do no harm.
	const margin = 24 * time.Hour
	var (
		names          []string
		lowers, uppers []pgtype.Timestamptz
		earliest       = always(pgtype.NegativeInfinity)
		latest         = always(pgtype.Infinity)
	)
	for _, granularity := range Granularities() {
		lower, upper := scope.bounds(granularity, zone)
		names, lowers, uppers = append(names, string(granularity)), append(lowers, lower), append(uppers, upper)
		if first := lower.Time.Add(-margin); scope.From != nil && (!isFinite(earliest) || first.Before(earliest.Time)) {
			earliest = pgtype.Timestamptz{Time: first, Valid: true}
		}
		if last := upper.Time.Add(margin); scope.To != nil && (!isFinite(latest) || last.After(latest.Time)) {
			latest = pgtype.Timestamptz{Time: last, Valid: true}
		}
	}
	return []any{users.first, users.last, names, lowers, uppers, earliest, latest, zone.String()}
}

// bounds returns the starts of the first period in scope and of the first after
// it.
func (s Scope) bounds(granularity Granularity, zone *time.Location) (lower, upper pgtype.Timestamptz) {
	lower, upper = always(pgtype.NegativeInfinity), always(pgtype.Infinity)
	if s.From != nil {
		lower = pgtype.Timestamptz{Time: granularity.StartOf(*s.From, zone), Valid: true}
	}
	if s.To != nil {
		upper = pgtype.Timestamptz{Time: granularity.Next(granularity.StartOf(*s.To, zone), zone), Valid: true}
	}
	return lower, upper
}

func always(infinity pgtype.InfinityModifier) pgtype.Timestamptz {
	return pgtype.Timestamptz{InfinityModifier: infinity, Valid: true}
}

func isFinite(t pgtype.Timestamptz) bool {
	return t.InfinityModifier == pgtype.Finite
}
