package audit

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Forget takes the name of a learner out of all records but those that say that the learner
// was erased, or that this was taken back. Operators have to answer for these, and the list of
// erased users has the name anyway.
func Forget(ctx context.Context, tx pgx.Tx, learner uuid.UUID) error {
	const statement = `
		UPDATE learninglog_audit SET
		    actor = replace(actor, @name, @nobody),
		    subject = replace(subject, @name, @nobody)
		WHERE (strpos(actor, @name) > 0 OR strpos(subject, @name) > 0) AND action <> ALL(@kept)`
	_, err := tx.Exec(ctx, statement, pgx.NamedArgs{
		"name": learner.String(), "nobody": "(erased)", "kept": []string{string(UserErased), string(UserUnerased)},
	})
	if err != nil {
		return fmt.Errorf("taking the name of a learner out of the record of what was done: %w", err)
	}
	return nil
}
