package access

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Forget deletes the keys that are bound to a learner, and all sessions and share links of the
// learner. Every service knows that of the keys within ten seconds, as if they were revoked, and
// of the others at once.
func Forget(ctx context.Context, tx pgx.Tx, learner uuid.UUID) error {
	for _, statement := range []string{
		`DELETE FROM learninglog_sessions WHERE user_id = $1`,
		`DELETE FROM learninglog_share_links WHERE user_id = $1`,
		`DELETE FROM learninglog_keys WHERE user_id = $1`, // with the sessions that were begun with them
	} {
		if _, err := tx.Exec(ctx, statement, learner); err != nil {
			return fmt.Errorf("deleting the keys, the sessions and the share links of a learner: %w", err)
		}
	}
	return nil
}
