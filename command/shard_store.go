package command

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/sharding"
	"learninglog/learning"
)

// shardStore is a [store] in tables that are distributed by user. It is meant for changes
// of users at one node: then that node does all of it, in one transaction of its own, by
// plain statements with values. (The one statement of [sqlStore] would be taken apart, and
// what it inserts would go to the coordinator and back.) It is right for others too, but
// then the coordinator commits in two phases.
//
// A transaction takes its locks in this order: first the logs that it may void, by user
// and request id; then the keys of the logs that it inserts, in the same order; then rows
// of the rollup, in the order of their key. Citus sorts both first by their shards. So two
// transactions may wait for each other, but they don't deadlock.
type shardStore struct {
	nodes *sharding.Nodes
	zone  *time.Location // of logs without a zone
}

// Write implements [store].
func (s *shardStore) Write(ctx context.Context, changes []change, patience time.Duration) (written recordedLogs, err error) {
	options := pgx.TxOptions{BeginQuery: beginSQL(patience)}
	err = pgx.BeginTxFunc(ctx, s.nodes.At(changes[0].UserID), options, func(tx pgx.Tx) error {
		w := shardWrite{tx: tx, zone: s.zone, written: make(recordedLogs, len(changes)), added: make(sharding.Differences)}
		written = w.written
		return w.write(ctx, changes)
	})
	if err != nil {
		return nil, err
	}
	return written, nil
}

// beginSQL begins a transaction that waits for a lock at most so long, wherever in the
// cluster the lock is.
func beginSQL(patience time.Duration) string {
	return fmt.Sprintf(`BEGIN ISOLATION LEVEL READ COMMITTED;
		SET LOCAL citus.propagate_set_commands TO 'local'; SET LOCAL lock_timeout TO %d`, patience.Milliseconds())
}

// shardWrite is one transaction of a shardStore.
type shardWrite struct {
	tx      pgx.Tx
	zone    *time.Location
	written recordedLogs
	added   sharding.Differences
}

func (w *shardWrite) write(ctx context.Context, changes []change) error {
	voidable, err := w.lock(ctx, changes)
	if err != nil {
		return err
	}
	if err := w.insert(ctx, changes, voidable); err != nil {
		return err
	}
	if err := w.void(ctx, changes, voidable); err != nil {
		return err
	}
	return w.added.Add(ctx, w.tx)
}

// lock locks the logs that may be voided, and returns those that count.
func (w *shardWrite) lock(ctx context.Context, changes []change) (voidable recordedLogs, err error) {
	var targets []logKey
	for i := range changes {
		if target, ok := changes[i].voids(); ok {
			targets = append(targets, target)
		}
	}
	voidable = make(recordedLogs, len(targets))
	for _, theirs := range byUser(targets) { // Citus locks rows of one shard
		const query = `
			SELECT ` + learning.Columns + `
			FROM learning_log
			WHERE user_id = $1 AND request_id = ANY($2::uuid[])
			ORDER BY request_id
			FOR UPDATE`
		rows, err := w.tx.Query(ctx, query, theirs.user, theirs.requests)
		if err != nil {
			return nil, err
		}
		err = learning.ForEach(rows, func(log learning.Log) error {
			if log.VoidedAt.IsZero() {
				voidable[logKey{userID: log.UserID, requestID: log.RequestID}] = &log
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return voidable, nil
}

// userKeys are keys of logs of one user.
type userKeys struct {
	user     uuid.UUID
	requests []uuid.UUID
}

// byUser returns keys by their users, in the order of these.
func byUser(keys []logKey) []userKeys {
	sorted := slices.SortedFunc(slices.Values(keys), logKey.compare)
	var all []userKeys
	for _, key := range sorted {
		if len(all) == 0 || all[len(all)-1].user != key.userID {
			all = append(all, userKeys{user: key.userID})
		}
		theirs := &all[len(all)-1]
		theirs.requests = append(theirs.requests, key.requestID)
	}
	return all
}

// insert records the logs that are new, and whose place is free if they replace another.
func (w *shardWrite) insert(ctx context.Context, changes []change, voidable recordedLogs) error {
	var logs []change
	for i := range changes {
		c := &changes[i]
		replaced, replaces := c.voids()
		if !c.void && (!replaces || voidable[replaced] != nil) {
			logs = append(logs, *c)
		}
	}
	if len(logs) == 0 {
		return nil
	}
	slices.SortFunc(logs, func(a, b change) int { return a.key().compare(b.key()) })
	c := columnsOf(logs, w.zone)
	rows, arguments := sharding.RowsSQL(`
		$1::uuid, $2::uuid, $3::int, coalesce($4::timestamptz, now()), $5::smallint, $6::boolean,
		$7::timestamptz, CASE WHEN $7::timestamptz IS NOT NULL THEN now() END`,
		c.requestIDs, c.userIDs, c.wordCounts, c.timestamps, c.offsets, c.offsetsGiven, voidsOf(logs).at)
	recorded, err := w.tx.Query(ctx, `
		INSERT INTO learning_log
		    (request_id, user_id, word_count, "timestamp", utc_offset, offset_given, voided_at, changed_at)`+rows+`
		ON CONFLICT DO NOTHING
		RETURNING `+learning.Columns, arguments...)
	if err != nil {
		return err
	}
	return w.note(recorded, 1)
}

// void voids the logs that are to be voided anyway, and those in whose place another was
// recorded.
func (w *shardWrite) void(ctx context.Context, changes []change, voidable recordedLogs) error {
	var targets []logKey
	for i := range changes {
		c := &changes[i]
		if target, ok := c.voids(); ok && voidable[target] != nil && (c.void || w.written[c.key()] != nil) {
			targets = append(targets, target)
		}
	}
	for _, theirs := range byUser(targets) {
		const update = `
			UPDATE learning_log SET voided_at = now(), changed_at = now()
			WHERE user_id = $1 AND request_id = ANY($2::uuid[])
			RETURNING ` + learning.Columns
		rows, err := w.tx.Query(ctx, update, theirs.user, theirs.requests)
		if err != nil {
			return err
		}
		if err := w.note(rows, -1); err != nil {
			return err
		}
	}
	for target, log := range voidable { // what could have been voided is told too
		if w.written[target] == nil {
			w.written[target] = log
		}
	}
	return nil
}

// note notes logs that were written, and what they add to the sums.
func (w *shardWrite) note(rows pgx.Rows, sign int64) error {
	return learning.ForEach(rows, func(log learning.Log) error {
		w.written[logKey{userID: log.UserID, requestID: log.RequestID}] = &log
		if sign > 0 && !log.VoidedAt.IsZero() {
			return nil // it was recorded as one that doesn't count
		}
		w.added.Count(log.UserID, log.Date(), log.WordCount, sign)
		return nil
	})
}

// Find implements [store]. In a transaction, a node reads its shards by itself, without
// connections to itself.
func (s *shardStore) Find(ctx context.Context, keys []logKey) (found recordedLogs, err error) {
	users, requests := make([]uuid.UUID, len(keys)), make([]uuid.UUID, len(keys))
	for i, key := range keys {
		users[i], requests[i] = key.userID, key.requestID
	}
	err = pgx.BeginFunc(ctx, s.nodes.At(users[0]), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+learning.Columns+` FROM learning_log WHERE `+sharding.LogsSQL, users, requests)
		if err != nil {
			return err
		}
		if found, err = collect(rows, len(keys)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, replicatedSQL)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
