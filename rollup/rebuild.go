package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Scope is the part of the rollups that a rebuild works on. The zero value is
// everything.
type Scope struct {
	// UserID limits the rebuild to one user.
	UserID *uuid.UUID `json:"user_id,omitempty"`
	// From and To limit it to a range of time, each alone or both. The range
	// takes whole periods: for each granularity, those from the one that
	// contains From through the one that contains To.
	From *time.Time `json:"from,omitempty"`
	To   *time.Time `json:"to,omitempty"`
}

// Drift is a row of the rollup that its logs don't account for. A row that is
// missing counts as zero sums.
type Drift struct {
	UserID      uuid.UUID   `json:"user_id"`
	Granularity Granularity `json:"granularity"`
	// Period is the instant, in UTC, at which the period starts.
	Period time.Time `json:"period"`
	// Was is what the rollup said.
	Was Sums `json:"was"`
	// Is is the truth, counted from the logs.
	Is Sums `json:"is"`
}

// Chunk is what a rebuild looked at and repaired in one transaction.
type Chunk struct {
	// Users and Logs count the truth that was read.
	Users, Logs int64
	// Drift has every row that was wrong, in the order of the key.
	Drift []Drift
	// Next is the user that the next chunk starts with. It means nothing where
	// Last is true.
	Next uuid.UUID
	// Last says that no user comes after this chunk.
	Last bool
}

// ChunkOptions says how a chunk is rebuilt.
type ChunkOptions struct {
	// MaxLogs bounds the logs and the rows of one chunk. The user who crosses
	// the bound is still in it as a whole.
	MaxLogs int
	// DryRun finds drift and leaves it.
	DryRun bool
	// Zone is the zone of the periods.
	Zone *time.Location
}

// RebuildChunk looks for drift in one chunk of scope, the one that starts with
// the user from (the nil UUID is the first of all), and repairs it. To rebuild
// the whole of a scope, start with the nil UUID, commit, and go on with Next
// until Last.
//
// Nobody is locked out and nothing is counted twice: one statement, hence one
// snapshot, takes the rollup from the truth and adds the difference. Whatever a
// writer commits before the snapshot is in both and cancels out; whatever it
// commits after is in neither, and adds itself. Rows that are right are not
// touched.
//
// Only two rebuilds could add the same difference twice, so they take turns: a
// lock that only they take is held until tx ends. tx must be READ COMMITTED, as
// the snapshot of the repair has to be younger than that lock.
func RebuildChunk(ctx context.Context, tx pgx.Tx, scope Scope, from uuid.UUID, options ChunkOptions) (Chunk, error) {
	users, err := findUsers(ctx, tx, scope, from, options.MaxLogs)
	if err != nil {
		return Chunk{}, fmt.Errorf("finding the users of a chunk: %w", err)
	}
	arguments := driftArguments(scope, users, options.Zone)

	if options.DryRun {
		return readChunk(ctx, tx, users, driftSQL+summarySQL, arguments)
	}

	// In a statement of its own, before the repair: inside it, the lock would
	// come after the snapshot, and two rebuilds would both apply.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, rebuildLock); err != nil {
		return Chunk{}, fmt.Errorf("waiting for another rebuild's chunk: %w", err)
	}
	chunk, err := readChunk(ctx, tx, users, driftSQL+repairSQL+summarySQL, arguments)
	if err != nil {
		return Chunk{}, err
	}
	if _, err := tx.Exec(ctx, sweepSQL, users.first, users.last); err != nil {
		return Chunk{}, fmt.Errorf("sweeping empty rows: %w", err)
	}
	return chunk, nil
}

// rebuildLock is the key of the advisory lock that rebuilds take turns with.
const rebuildLock int64 = 0x6c6c_7265_6275_696c // "llrebuil"

// userRange is a run of users in key order, both ends included.
type userRange struct {
	first, last uuid.UUID
	// final says that the scope ends with this run.
	final bool
}

// findUsers returns the users from from on that have about maxLogs logs, or as
// many rows in the rollup, between them.
func findUsers(ctx context.Context, tx pgx.Tx, scope Scope, from uuid.UUID, maxLogs int) (userRange, error) {
	if scope.UserID != nil {
		return userRange{first: *scope.UserID, last: *scope.UserID, final: true}, nil
	}
	const query = `
		SELECT least(
		    (SELECT user_id FROM learning_log            WHERE user_id >= $1 ORDER BY user_id OFFSET $2 LIMIT 1),
		    (SELECT user_id FROM learning_log_aggregates WHERE user_id >= $1 ORDER BY user_id OFFSET $2 LIMIT 1))`
	var last *uuid.UUID
	if err := tx.QueryRow(ctx, query, from, maxLogs).Scan(&last); err != nil {
		return userRange{}, err
	}
	if last == nil || *last == uuid.Max {
		return userRange{first: from, last: uuid.Max, final: true}, nil
	}
	return userRange{first: from, last: *last}, nil
}

// repairSQL follows driftSQL and adds the differences. A row whose difference
// doesn't fit into a bigint, which only corruption explains, is there for sure:
// that difference is added as a numeric.
const repairSQL = `, repaired_extremes AS (
	    UPDATE learning_log_aggregates AS a SET
	        total_word_count = a.total_word_count + (is_words::numeric - was_words),
	        entry_count = a.entry_count + (is_entries::numeric - was_entries)
	    FROM drift
	    WHERE NOT fits
	      AND (a.user_id, a.granularity, a.period) = (drift.user_id, drift.granularity, drift.period)
	), repaired AS (
	    INSERT INTO learning_log_aggregates AS a
	        (user_id, granularity, period, total_word_count, entry_count)
	    SELECT user_id, granularity, period, is_words - was_words, is_entries - was_entries
	    FROM drift
	    WHERE fits
	    ORDER BY 1, 2, 3
	    ON CONFLICT (user_id, granularity, period) DO UPDATE SET
	        total_word_count = a.total_word_count + excluded.total_word_count,
	        entry_count = a.entry_count + excluded.entry_count
	)`

// summarySQL ends the statement: a row per drift, and one without drift where
// there is none.
const summarySQL = `
	SELECT read.users, read.logs,
	       user_id, granularity, period, was_words, was_entries, is_words, is_entries
	FROM (SELECT count(DISTINCT user_id) AS users, coalesce(sum(entries), 0)::bigint AS logs FROM daily) AS read
	LEFT JOIN drift ON true
	ORDER BY user_id, granularity, period`

// sweepSQL deletes rows without logs, which mean the same as no row. It skips
// what a writer is just adding to, so it waits for nobody.
const sweepSQL = `
	DELETE FROM learning_log_aggregates
	WHERE (user_id, granularity, period) IN (
	    SELECT user_id, granularity, period
	    FROM learning_log_aggregates
	    WHERE user_id BETWEEN $1 AND $2 AND total_word_count = 0 AND entry_count = 0
	    FOR UPDATE SKIP LOCKED
	)`

// readChunk runs a statement that ends with summarySQL.
func readChunk(ctx context.Context, tx pgx.Tx, users userRange, query string, arguments []any) (Chunk, error) {
	chunk := Chunk{Next: userAfter(users.last), Last: users.final}
	rows, err := tx.Query(ctx, query, arguments...)
	if err != nil {
		return Chunk{}, fmt.Errorf("comparing rollups with logs: %w", err)
	}
	var (
		userID      *uuid.UUID
		granularity *Granularity
		period      *time.Time
		was, is     struct{ words, entries *int64 }
	)
	columns := []any{
		&chunk.Users, &chunk.Logs,
		&userID, &granularity, &period,
		&was.words, &was.entries, &is.words, &is.entries,
	}
	_, err = pgx.ForEachRow(rows, columns, func() error {
		if userID == nil {
			return nil
		}
		chunk.Drift = append(chunk.Drift, Drift{
			UserID:      *userID,
			Granularity: *granularity,
			Period:      period.UTC(),
			Was:         Sums{TotalWordCount: *was.words, EntryCount: *was.entries},
			Is:          Sums{TotalWordCount: *is.words, EntryCount: *is.entries},
		})
		return nil
	})
	if err != nil {
		return Chunk{}, fmt.Errorf("comparing rollups with logs: %w", err)
	}
	return chunk, nil
}

// userAfter returns the user id that follows id in key order: the nil UUID, as
// on a clock, after the last there is.
func userAfter(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]++
		if id[i] != 0 {
			break
		}
	}
	return id
}
