package rebuild

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/retry"
	"learninglog/internal/sharding"
	"learninglog/rollup"
)

// SealedDay is what logs of a date that were purged came to, elsewhere or before.
type SealedDay struct {
	UserID uuid.UUID
	Day    rollup.Date
	rollup.Sums
}

// MaxSealedEntries is the largest number of logs that a sealed day from elsewhere may be made
// of. Each of them may have as many words as a log can have at all, and the sums of a month of
// such days still fit into a bigint.
const MaxSealedEntries = 100_000_000

// Check returns nil if the sums may be those of logs. The text of its error completes a
// sentence that begins with the name of the number of words.
func (d SealedDay) Check() error {
	if most := d.EntryCount * math.MaxInt32; d.TotalWordCount > most {
		return fmt.Errorf("must be at most %d: as much as %d logs can have", most, d.EntryCount)
	}
	return nil
}

// SealedDayOutcome is what became of a sealed day that was to be restored.
type SealedDayOutcome string

// The outcomes.
const (
	// DayRestored means that it is there now, and counted.
	DayRestored SealedDayOutcome = "recorded"
	// DayAlreadyThere means that it was there before, with the same sums.
	DayAlreadyThere SealedDayOutcome = "already_recorded"
	// DayConflicts means that the learner has another sealed day of this date, or logs that
	// may be the very ones: so nothing was done.
	DayConflicts SealedDayOutcome = "conflict"
	// DayOfErased means that the learner was erased.
	DayOfErased SealedDayOutcome = "erased"
)

// RestoreSealedDays adds sealed days that came from here or from another service, and adds
// them to the rollups, in one commit. A day is added only if nothing is there of the learner
// on that date, so doing so again changes nothing. It returns an outcome for each, in their
// order.
func (j *Jobs) RestoreSealedDays(ctx context.Context, days []SealedDay) (outcomes []SealedDayOutcome, err error) {
	err = retry.Conflicts(ctx, func() error {
		return pgx.BeginTxFunc(ctx, j.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) (err error) {
			outcomes, err = restoreSealedDays(ctx, tx, days)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("restoring sealed days: %w", err)
	}
	return outcomes, nil
}

func restoreSealedDays(ctx context.Context, tx pgx.Tx, days []SealedDay) ([]SealedDayOutcome, error) {
	places := make(map[uuid.UUID][]int) // where the days of each learner are
	for place, day := range days {
		places[day.UserID] = append(places[day.UserID], place)
	}
	// In the order of the key, as everybody locks them.
	users := slices.SortedFunc(maps.Keys(places), compareIDs)
	wasErased, err := erasedAmong(ctx, tx, users)
	if err != nil {
		return nil, err
	}
	outcomes, differences := make([]SealedDayOutcome, len(days)), make(sharding.Differences)
	for _, user := range users {
		slices.SortStableFunc(places[user], func(a, b int) int { return cmp.Compare(days[a].Day, days[b].Day) })
		var theirs []SealedDay
		for _, place := range places[user] {
			theirs = append(theirs, days[place])
		}
		found := slices.Repeat([]SealedDayOutcome{DayOfErased}, len(theirs))
		if !wasErased[user] {
			if found, err = restoreDaysOf(ctx, tx, user, theirs); err != nil {
				return nil, err
			}
		}
		for i, place := range places[user] {
			if outcomes[place] = found[i]; found[i] == DayRestored {
				differences.CountSums(user, days[place].Day, days[place].Sums)
			}
		}
	}
	return outcomes, differences.Add(ctx, tx)
}

// erasedAmong returns which users were erased. Nobody is put on the list before the
// transaction ends, so whoever is erased afterwards has these sealed days already.
func erasedAmong(ctx context.Context, tx pgx.Tx, users []uuid.UUID) (map[uuid.UUID]bool, error) {
	if _, err := tx.Exec(ctx, `LOCK TABLE learninglog_erased_users IN SHARE MODE`); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT user_id FROM learninglog_erased_users WHERE user_id = ANY($1)`, users)
	if err != nil {
		return nil, err
	}
	erased, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	wasErased := make(map[uuid.UUID]bool)
	for _, user := range erased {
		wasErased[user] = true
	}
	return wasErased, err
}

// restoreDaysOf restores sealed days of one learner, in the order of their dates, and returns
// an outcome for each. Its statements are of one learner, so they work wherever the tables are.
func restoreDaysOf(ctx context.Context, tx pgx.Tx, user uuid.UUID, days []SealedDay) ([]SealedDayOutcome, error) {
	first, last := days[0].Day, days[len(days)-1].Day
	there, err := sealedDaysOf(ctx, tx, user, first, last)
	if err != nil {
		return nil, err
	}
	logged, err := datesWithLogs(ctx, tx, user, first, last)
	if err != nil {
		return nil, err
	}
	outcomes, restored := make([]SealedDayOutcome, len(days)), make(map[rollup.Date]bool)
	var dates []time.Time
	var words, entries []int64
	for i, day := range days {
		switch sums, is := there[day.Day]; {
		case is && sums == day.Sums:
			outcomes[i] = DayAlreadyThere
		case is || logged[day.Day]:
			outcomes[i] = DayConflicts
		default:
			outcomes[i], there[day.Day], restored[day.Day] = DayRestored, day.Sums, true
			dates, words, entries = append(dates, day.Day.Time()), append(words, day.TotalWordCount), append(entries, day.EntryCount)
		}
	}
	if len(restored) == 0 {
		return outcomes, nil
	}
	rows, err := tx.Query(ctx, `
		INSERT INTO learning_log_sealed_days (user_id, day, total_word_count, entry_count)
		SELECT $1::uuid, * FROM unnest($2::date[], $3::bigint[], $4::bigint[])
		ON CONFLICT (user_id, day) DO NOTHING
		RETURNING day`, user, dates, words, entries)
	if err != nil {
		return nil, err
	}
	inserted, err := collectDates(rows)
	if err != nil {
		return nil, err
	}
	if len(inserted) == len(restored) {
		return outcomes, nil
	}
	// Somebody has just restored some of them, or others of these dates.
	if there, err = sealedDaysOf(ctx, tx, user, first, last); err != nil {
		return nil, err
	}
	for i, day := range days {
		if !restored[day.Day] || inserted[day.Day] {
			continue
		}
		if outcomes[i] = DayConflicts; there[day.Day] == day.Sums {
			outcomes[i] = DayAlreadyThere
		}
	}
	return outcomes, nil
}

// sealedDaysOf returns the sealed days of a learner between two dates.
func sealedDaysOf(ctx context.Context, tx pgx.Tx, user uuid.UUID, first, last rollup.Date) (map[rollup.Date]rollup.Sums, error) {
	rows, err := tx.Query(ctx, `
		SELECT day, total_word_count, entry_count FROM learning_log_sealed_days
		WHERE user_id = $1 AND day BETWEEN $2 AND $3`, user, first.Time(), last.Time())
	if err != nil {
		return nil, err
	}
	var day time.Time
	var sums rollup.Sums
	days := make(map[rollup.Date]rollup.Sums)
	_, err = pgx.ForEachRow(rows, []any{&day, &sums.TotalWordCount, &sums.EntryCount}, func() error {
		days[rollup.DateOf(day)] = sums
		return nil
	})
	return days, err
}

// datesWithLogs returns the dates between two dates, and maybe some others, on which logs of a
// learner count.
func datesWithLogs(ctx context.Context, tx pgx.Tx, user uuid.UUID, first, last rollup.Date) (map[rollup.Date]bool, error) {
	rows, err := tx.Query(ctx, `
		SELECT DISTINCT `+rollup.DateSQL+` FROM `+rollup.LogsSQL("learning_log")+` AS logs
		WHERE user_id = $1 AND "timestamp" >= $2 AND "timestamp" < $3`, user, first.FirstInstant(), last.EndInstant())
	if err != nil {
		return nil, err
	}
	return collectDates(rows)
}

func collectDates(rows pgx.Rows) (map[rollup.Date]bool, error) {
	dates := make(map[rollup.Date]bool)
	var date time.Time
	_, err := pgx.ForEachRow(rows, []any{&date}, func() error {
		dates[rollup.DateOf(date)] = true
		return nil
	})
	return dates, err
}
