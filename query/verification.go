package query

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// Verification is what the last verification, or rebuild, of its kind found.
type Verification struct {
	Verification rollup.Verification
	// RebuildID is the rebuild that it was. It is known for a day.
	RebuildID int64
	// BeganAt and FinishedAt are in UTC.
	BeganAt    time.Time
	FinishedAt time.Time
	// Users and Logs are what was compared.
	Users int64
	Logs  int64
	// RowsDrifted are the rows of the rollup that were wrong, RowsRepaired those
	// of them that have been put right, then or by a later rebuild of everything.
	RowsDrifted  int64
	RowsRepaired int64
}

// Verifications returns the last verification of each kind that there has been,
// the latest first.
func (r *Reader) Verifications(ctx context.Context) ([]Verification, error) {
	const query = `
		SELECT verification,
		       rebuild_id,
		       began_at,
		       finished_at,
		       users,
		       logs,
		       rows_drifted,
		       rows_repaired
		FROM learning_log_verifications
		ORDER BY finished_at DESC`
	all := func(rows pgx.Rows) ([]Verification, error) {
		return pgx.CollectRows(rows, pgx.RowToStructByPos[Verification])
	}
	verifications, err := read(ctx, r.db, all, query)
	if err != nil {
		return nil, fmt.Errorf("reading what was verified: %w", err)
	}
	for i := range verifications {
		verifications[i].BeganAt = verifications[i].BeganAt.UTC()
		verifications[i].FinishedAt = verifications[i].FinishedAt.UTC()
	}
	return verifications, nil
}
