package rebuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

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
	wasErased, err := erasedAmong(ctx, tx, days)
	if err != nil {
		return nil, err
	}
	outcomes := make([]SealedDayOutcome, len(days))
	places := make([]int, len(days))
	for i := range places {
		places[i] = i
	}
	// In the order of the key, as everybody locks them.
	slices.SortStableFunc(places, func(a, b int) int {
		return cmp.Or(compareIDs(days[a].UserID, days[b].UserID), cmp.Compare(days[a].Day, days[b].Day))
	})
	differences := make(sharding.Differences)
	for _, place := range places {
		day := days[place]
		if wasErased[day.UserID] {
			outcomes[place] = DayOfErased
			continue
		}
		if outcomes[place], err = restoreSealedDay(ctx, tx, day); err != nil {
			return nil, err
		}
		if outcomes[place] == DayRestored {
			differences.CountSums(day.UserID, day.Day, day.Sums)
		}
	}
	return outcomes, differences.Add(ctx, tx)
}

// erasedAmong returns which learners were erased. Nobody is put on the list before the
// transaction ends, so whoever is erased afterwards has these sealed days already.
func erasedAmong(ctx context.Context, tx pgx.Tx, days []SealedDay) (map[uuid.UUID]bool, error) {
	if _, err := tx.Exec(ctx, `LOCK TABLE learninglog_erased_users IN SHARE MODE`); err != nil {
		return nil, err
	}
	users := make(map[uuid.UUID]bool)
	for _, day := range days {
		users[day.UserID] = false
	}
	ids := make([]uuid.UUID, 0, len(users))
	for user := range users {
		ids = append(ids, user)
	}
	rows, err := tx.Query(ctx, `SELECT user_id FROM learninglog_erased_users WHERE user_id = ANY($1)`, ids)
	if err != nil {
		return nil, err
	}
	var user uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&user}, func() error {
		users[user] = true
		return nil
	})
	return users, err
}

// findSealedDay returns the outcome of a sealed day if there is one of its date, or "".
func findSealedDay(ctx context.Context, tx pgx.Tx, day SealedDay) (SealedDayOutcome, error) {
	var words, entries int64
	err := tx.QueryRow(ctx, `SELECT total_word_count, entry_count FROM learning_log_sealed_days WHERE user_id = $1 AND day = $2`,
		day.UserID, day.Day.Time()).Scan(&words, &entries)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", nil
	case err != nil:
		return "", err
	case words == day.TotalWordCount && entries == day.EntryCount:
		return DayAlreadyThere, nil
	default:
		return DayConflicts, nil
	}
}

// restoreSealedDay is of one learner, so it works wherever the tables are.
func restoreSealedDay(ctx context.Context, tx pgx.Tx, day SealedDay) (SealedDayOutcome, error) {
	found, err := findSealedDay(ctx, tx, day)
	if err != nil || found != "" {
		return found, err
	}
	var logs bool
	from, to := day.Day.FirstInstant(), day.Day.EndInstant()
	err = tx.QueryRow(ctx, `
		SELECT EXISTS (
		    SELECT FROM `+rollup.LogsSQL("learning_log")+` AS logs
		    WHERE user_id = $1 AND "timestamp" >= $2 AND "timestamp" < $3 AND `+rollup.DateSQL+` = $4
		)`, day.UserID, from, to, day.Day.Time()).Scan(&logs)
	if err != nil || logs {
		return DayConflicts, err
	}
	inserted, err := tx.Exec(ctx, `
		INSERT INTO learning_log_sealed_days (user_id, day, total_word_count, entry_count) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, day) DO NOTHING`, day.UserID, day.Day.Time(), day.TotalWordCount, day.EntryCount)
	if err != nil || inserted.RowsAffected() > 0 {
		return DayRestored, err
	}
	// Somebody has just restored it, or another of this date.
	if found, err = findSealedDay(ctx, tx, day); found == "" {
		found = DayConflicts // which is gone again
	}
	return found, err
}
