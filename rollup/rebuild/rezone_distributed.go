package rebuild

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/sharding"
	"learninglog/learning"
	"learninglog/rollup"
)

// rezone re-zones the logs of a range, shard by shard, in the same order as at one server:
// it locks logs, changes them, and then adds what that changes in the rollups.
func (d distributed) rezone(
	ctx context.Context, tx pgx.Tx, of userRange, zone *time.Location, arguments pgx.NamedArgs,
) (rezoned int64, err error) {
	rows, err := tx.Query(ctx, `SELECT user_id FROM learning_log WHERE `+of.misplacedSQL()+` GROUP BY user_id`, arguments)
	if err != nil {
		return 0, err
	}
	users, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return 0, err
	}
	for _, of.users = range d.shards.Divide(slices.Values(users)) {
		arguments := maps.Clone(arguments)
		arguments["users"] = of.users
		logs, err := rezoneShard(ctx, tx, of, zone, arguments)
		if err != nil {
			return 0, err
		}
		rezoned += logs
	}
	return rezoned, nil
}

func rezoneShard(
	ctx context.Context, tx pgx.Tx, of userRange, zone *time.Location, arguments pgx.NamedArgs,
) (rezoned int64, err error) {
	rows, err := tx.Query(ctx, `
		SELECT `+learning.Columns+` FROM learning_log WHERE `+of.misplacedSQL()+`
		ORDER BY user_id, request_id FOR UPDATE`, arguments)
	if err != nil {
		return 0, err
	}
	wrong, err := learning.Collect(rows)
	if err != nil {
		return 0, err
	}
	moved, byOffset := make(sharding.Differences), make(map[rollup.Offset][]learning.Log)
	for _, log := range wrong {
		moved.Count(log.UserID, log.Date(), log.WordCount, -1)
		offset := rollup.OffsetAt(log.Timestamp, zone)
		byOffset[offset] = append(byOffset[offset], log)
	}
	for offset, logs := range byOffset {
		users, requests := make([]uuid.UUID, len(logs)), make([]uuid.UUID, len(logs))
		for i, log := range logs {
			users[i], requests[i] = log.UserID, log.RequestID
			moved.Count(log.UserID, offset.DateAt(log.Timestamp), log.WordCount, 1)
		}
		// The offset is no parameter, because Citus crashes where there are some besides those
		// of such a condition.
		sql := fmt.Sprintf(`UPDATE learning_log SET utc_offset = %d, changed_at = now() WHERE `+sharding.LogsSQL, offset)
		if _, err := tx.Exec(ctx, sql, users, requests); err != nil {
			return 0, err
		}
	}
	if err := moved.Add(ctx, tx); err != nil {
		return 0, fmt.Errorf("moving sums: %w", err)
	}
	return int64(len(wrong)), sweep(ctx, tx, of, arguments)
}
