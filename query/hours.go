package query

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// MaxHoursLogs is the largest number of logs of which [Hours] are made.
const MaxHoursLogs = 500

// Hours tell at which hours of the day a user learned.
type Hours struct {
	// Sums has those of each hour, which is the index: the logs from 07:00 on and before
	// 08:00 are at 7, each by the learner's clock at the time.
	Sums [24]rollup.Sums
	// HasMore says that there were more than [MaxHoursLogs]. Only the latest are in Sums.
	HasMore bool
}

// Totals returns the sums over all hours.
func (h Hours) Totals() (totals rollup.Sums) {
	for _, sums := range h.Sums {
		totals = totals.Plus(sums)
	}
	return totals
}

// Best returns the hour with the most words, and the earliest one if several have as
// many. It returns false if there is no log.
func (h Hours) Best() (best int, ok bool) {
	for hour, sums := range h.Sums {
		if sums.EntryCount > 0 && (!ok || sums.TotalWordCount > h.Sums[best].TotalWordCount) {
			best, ok = hour, true
		}
	}
	return best, ok
}

// hoursSQL sums the latest logs of a user by hour. Whether there are more is looked up
// only if there are as many as may be.
const hoursSQL = `
	SELECT date_part('hour', ` + rollup.LocalTimeSQL + `)::int, sum(word_count), count(*),
	       CASE WHEN sum(count(*)) OVER () = $8 THEN EXISTS (SELECT ` + hoursLogsSQL + ` OFFSET $8) ELSE false END
	FROM (SELECT "timestamp", utc_offset, word_count ` + hoursLogsSQL + ` LIMIT $8) AS latest
	GROUP BY 1`

// hoursLogsSQL is the logs of a range, the latest first.
//
// PostgreSQL reads the index of logs that count backwards, until it has enough, and never
// the table. So the order must be that of the index alone. The date of a log takes longer
// to compute than to read the log, so that is done only where the instant can't tell.
const hoursLogsSQL = `
	FROM learning_log
	WHERE user_id = $1 AND ` + rollup.CountsSQL + `
	  AND "timestamp" >= $2 AND "timestamp" < $3
	  AND ("timestamp" >= $4 AND "timestamp" < $5 OR ` + rollup.DateSQL + ` BETWEEN $6 AND $7)
	ORDER BY "timestamp" DESC`

func hoursArguments(userID uuid.UUID, from, to rollup.Date) []any {
	begunEverywhere, overSomewhere := (from - 1).EndInstant(), (to + 1).FirstInstant()
	return []any{
		userID, from.FirstInstant(), to.EndInstant(), begunEverywhere, overSomewhere, from.Time(), to.Time(), MaxHoursLogs,
	}
}

func collectHours(rows pgx.Rows) (hours Hours, err error) {
	var (
		hour int
		sums rollup.Sums
	)
	_, err = pgx.ForEachRow(rows, []any{&hour, &sums.TotalWordCount, &sums.EntryCount, &hours.HasMore}, func() error {
		hours.Sums[hour] = sums
		return nil
	})
	return hours, err
}
