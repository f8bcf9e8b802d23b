package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"learninglog/internal/retry"
)

// ErrNotErased means that a user isn't on the list of those who were erased.
var ErrNotErased = errors.New("this user was not erased")

// Erasure says that a user was erased. Times are in UTC.
type Erasure struct {
	UserID   uuid.UUID
	ErasedAt time.Time
	// DoneAt is when nothing of the user was left, or nil while a job is at it.
	DoneAt *time.Time
}

// Erase puts users on the list of those who were erased, and requests the job that deletes
// what there is of them. That one job does so for all who are on the list. From when this
// returns, whatever is written of these users is refused: everywhere within the seconds that
// the writers take to hear of it, and what they have written meanwhile is deleted too.
//
// A user who is on the list already is looked for once more.
func (j *Jobs) Erase(ctx context.Context, users []uuid.UUID) (requested Requested, err error) {
	const list = `
		INSERT INTO learninglog_erased_users (user_id) SELECT DISTINCT unnest(@users::uuid[]) ORDER BY 1
		ON CONFLICT (user_id) DO UPDATE SET emptied_at = NULL, done_at = NULL`
	err = retry.Conflicts(ctx, func() error {
		return pgx.BeginTxFunc(ctx, j.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, list, pgx.NamedArgs{"users": users}); err != nil {
				return err
			}
			inserted, err := j.client.InsertTx(ctx, tx, erasing(), nil)
			if err == nil {
				requested = newRequested(inserted)
			}
			return err
		})
	})
	if err != nil {
		return Requested{}, fmt.Errorf("asking to erase users: %w", err)
	}
	return requested, nil
}

// erasing are the arguments of every job that erases.
func erasing() Args { return Args{Erase: true, MaxLogsPerSecond: DefaultPace} }

// Unerase takes a user off the list of those who were erased. What was deleted stays so; what
// is sent from then on is recorded again, everywhere within seconds. It fails with
// [ErrNotErased].
func (j *Jobs) Unerase(ctx context.Context, user uuid.UUID) error {
	removed, err := j.pool.Exec(ctx, `DELETE FROM learninglog_erased_users WHERE user_id = $1`, user)
	if err != nil {
		return fmt.Errorf("taking back that a user was erased: %w", err)
	}
	if removed.RowsAffected() == 0 {
		return ErrNotErased
	}
	return nil
}

// Erasures returns those who were erased, by their ids: at most limit, after a user.
func (j *Jobs) Erasures(ctx context.Context, after uuid.UUID, limit int) ([]Erasure, error) {
	const query = `
		SELECT user_id,
		       erased_at,
		       done_at
		FROM learninglog_erased_users
		WHERE user_id > $1
		ORDER BY user_id
		LIMIT $2`
	all := func(rows pgx.Rows) ([]Erasure, error) {
		return pgx.CollectRows(rows, pgx.RowToStructByPos[Erasure])
	}
	erasures, err := retry.Read(ctx, j.pool, all, query, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing who was erased: %w", err)
	}
	for i := range erasures {
		erasures[i].ErasedAt, erasures[i].DoneAt = erasures[i].ErasedAt.UTC(), inUTC(erasures[i].DoneAt)
	}
	return erasures, nil
}

// AreErased reports whether nothing is left of users who are on the list.
func (j *Jobs) AreErased(ctx context.Context, users []uuid.UUID) (done bool, err error) {
	const query = `SELECT NOT EXISTS (SELECT FROM learninglog_erased_users WHERE user_id = ANY($1) AND done_at IS NULL)`
	if err := j.pool.QueryRow(ctx, query, users).Scan(&done); err != nil {
		return false, fmt.Errorf("looking whether users are erased: %w", err)
	}
	return done, nil
}

// keepErasing requests a job if there is something to erase and no job does it: one may have
// ended just when somebody was put on the list, or have been cancelled or given up. What is
// on the list is erased, whatever becomes of jobs.
func (j *Jobs) keepErasing(ctx context.Context) error {
	query := `
		SELECT EXISTS (SELECT FROM learninglog_erased_users WHERE done_at IS NULL)
		   AND NOT EXISTS (SELECT FROM ` + j.table() + ` WHERE queue = $1 AND finalized_at IS NULL)`
	var wanted bool
	if err := j.pool.QueryRow(ctx, query, eraseQueue).Scan(&wanted); err != nil || !wanted {
		return err
	}
	_, err := j.client.Insert(ctx, erasing(), &river.InsertOpts{})
	return err
}
