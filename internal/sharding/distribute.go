package sharding

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// DefaultShards is how many shards tables have by default: some for each processor of a
// cluster as large as most.
const DefaultShards = 32

// ErrNoCluster means that the database isn't the coordinator of a Citus cluster.
var ErrNoCluster = errors.New("the database isn't that of a Citus coordinator: " +
	"CREATE EXTENSION citus there and at its workers, and citus_add_node the workers")

// Distribute distributes the tables of logs and of rollups over the nodes of the cluster,
// by their users. Everything else stays at the coordinator. It does nothing if they are
// distributed.
//
// It is one transaction, which locks both tables until it ends: so nobody reads or writes
// meanwhile. Afterwards a request id is known by its user: two users may have logs with
// the same one.
func Distribute(ctx context.Context, connection *pgx.Conn, shards int) error {
	if there, err := Read(ctx, connection); err != nil || there != nil {
		return err
	}
	var coordinates bool
	err := connection.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')`).Scan(&coordinates)
	if err == nil && coordinates {
		err = connection.QueryRow(ctx, `SELECT citus_is_coordinator()`).Scan(&coordinates)
	}
	if err != nil {
		return fmt.Errorf("looking for a cluster: %w", err)
	}
	if !coordinates {
		return ErrNoCluster
	}
	return pgx.BeginFunc(ctx, connection, func(tx pgx.Tx) error {
		for _, statement := range []string{
			`LOCK TABLE learning_log, learning_log_aggregates`,
			// What is distributed must be unique at one node.
			`ALTER TABLE learning_log
			    DROP CONSTRAINT learning_log_pkey,
			    ADD CONSTRAINT learning_log_pkey PRIMARY KEY (user_id, request_id)`,
			fmt.Sprintf(`SELECT create_distributed_table('learning_log', 'user_id', shard_count => %d)`, shards),
			`SELECT create_distributed_table('learning_log_aggregates', 'user_id', colocate_with => 'learning_log')`,
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("distributing the tables: %w", err)
			}
		}
		return nil
	})
}
