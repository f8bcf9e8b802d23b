package rebuild

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/internal/sharding"
	"learninglog/learning"
	"learninglog/rollup"
)

// seal purges the logs of a range, shard by shard, in the same order as at one server: it
// locks logs, deletes them, and then adds them to the sealed days.
func (d distributed) seal(ctx context.Context, tx pgx.Tx, of userRange, most int64, arguments pgx.NamedArgs) (purged, voided int64, err error) {
	rows, err := tx.Query(ctx, `SELECT user_id FROM `+of.oldSQL("user_id", "")+` AS old GROUP BY user_id`, arguments)
	if err != nil {
		return 0, 0, err
	}
	users, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return 0, 0, err
	}
	for _, of.users = range d.shards.Divide(slices.Values(users)) {
		if voided >= most { // then the caller asks again
			break
		}
		arguments := maps.Clone(arguments)
		arguments["users"], arguments["most"] = of.users, most-voided
		all, ofThese, err := sealShard(ctx, tx, of, arguments)
		if err != nil {
			return 0, 0, err
		}
		purged, voided = purged+all, voided+ofThese
	}
	return purged, voided, nil
}

func sealShard(ctx context.Context, tx pgx.Tx, of userRange, arguments pgx.NamedArgs) (purged, voided int64, err error) {
	rows, err := tx.Query(ctx, `SELECT user_id, request_id FROM `+of.oldSQL("user_id, request_id", "LIMIT @most")+` AS old`, arguments)
	if err != nil {
		return 0, 0, err
	}
	var users, requests []uuid.UUID
	var user, request uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&user, &request}, func() error {
		users, requests = append(users, user), append(requests, request)
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	// Those that are locked are the latest versions, and stay so. Only these are deleted:
	// another with a key that was found before may have come since.
	rows, err = tx.Query(ctx, `
		SELECT `+learning.Columns+` FROM learning_log WHERE `+sharding.LogsSQL+`
		ORDER BY user_id, request_id FOR UPDATE`, users, requests)
	if err != nil {
		return 0, 0, err
	}
	old, err := learning.Collect(rows)
	if err != nil {
		return 0, 0, err
	}
	users, requests = users[:0], requests[:0]
	for _, log := range old {
		users, requests = append(users, log.UserID), append(requests, log.RequestID)
		if !log.VoidedAt.IsZero() {
			voided++
		}
	}
	deleted, err := tx.Exec(ctx, `DELETE FROM learning_log WHERE `+sharding.LogsSQL, users, requests)
	if err != nil {
		return 0, 0, err
	}
	if err := addSealed(ctx, tx, old); err != nil {
		return 0, 0, fmt.Errorf("adding to sealed days: %w", err)
	}
	return deleted.RowsAffected(), voided, nil
}

// sealedDay is the key of a sealed day.
type sealedDay struct {
	user uuid.UUID
	day  rollup.Date
}

// addSealed adds those logs that count to the sealed days, in the order of their key.
func addSealed(ctx context.Context, tx pgx.Tx, logs []learning.Log) error {
	sealed := make(map[sealedDay]rollup.Sums)
	for _, log := range logs {
		if log.VoidedAt.IsZero() {
			of := sealedDay{log.UserID, log.Date()}
			sealed[of] = sealed[of].Plus(rollup.Sums{TotalWordCount: int64(log.WordCount), EntryCount: 1})
		}
	}
	days := slices.SortedFunc(maps.Keys(sealed), func(a, b sealedDay) int {
		return cmp.Or(compareIDs(a.user, b.user), cmp.Compare(a.day, b.day))
	})
	if len(days) == 0 {
		return nil
	}
	var users pgtype.FlatArray[pgtype.UUID]
	var dates pgtype.FlatArray[pgtype.Date]
	var words, entries pgtype.FlatArray[int64]
	for _, of := range days {
		users = append(users, pgtype.UUID{Bytes: of.user, Valid: true})
		dates = append(dates, pgtype.Date{Time: of.day.Time(), Valid: true})
		words, entries = append(words, sealed[of].TotalWordCount), append(entries, sealed[of].EntryCount)
	}
	rows, arguments := sharding.RowsSQL(`$1::uuid, $2::date, $3::bigint, $4::bigint`, users, dates, words, entries)
	_, err := tx.Exec(ctx, addSealedSQL(rows), arguments...)
	return err
}
