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

// Distribute distributes the tables of logs, rollups, sealed days and settings over the nodes of
// the cluster, by their users. Everything else stays at the coordinator. It does nothing if they are
// distributed.
//
// It is one transaction, which locks these tables until it ends: so nobody reads or writes
// meanwhile. Afterwards a request id is known by its user: two users may have logs with
// the same one.
func Distribute(ctx context.Context, connection *pgx.Conn, shards int) error {
	there, err := Read(ctx, connection)
	if err == nil && there == nil {
		err = distribute(ctx, connection, shards)
	}
	if err != nil {
		return err
	}
	_, err = connection.Exec(ctx, dropLocalSQL)
	if err != nil {
		return fmt.Errorf("freeing what the tables took at the coordinator: %w", err)
	}
	return nil
}

// dropLocalSQL removes the rows that were at the coordinator before, which nobody sees any
// more. If there are none, it does nothing.
const dropLocalSQL = `
	SELECT truncate_local_data_after_distributing_table(name::regclass)
	FROM (VALUES ('learning_log'), ('learning_log_aggregates'), ('learning_log_sealed_days'), ('learning_log_settings')) AS tables (name)`

// distributeLock is the key of the advisory lock that is taken while tables are being
// distributed.
const distributeLock int64 = 0x6c6c_6469_7374_7269 // "lldistri"

// Hold keeps the tables from being distributed until the transaction ends. What [Read]
// says then holds for as long.
func Hold(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, distributeLock)
	return wrapped(err)
}

func distribute(ctx context.Context, connection *pgx.Conn, shards int) error {
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
			fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, distributeLock),
			`LOCK TABLE learning_log, learning_log_aggregates, learning_log_sealed_days, learning_log_settings`,
			// What is distributed must be unique at one node.
			`ALTER TABLE learning_log
			    DROP CONSTRAINT learning_log_pkey,
			    ADD CONSTRAINT learning_log_pkey PRIMARY KEY (user_id, request_id)`,
			fmt.Sprintf(`SELECT create_distributed_table('learning_log', 'user_id', shard_count => %d)`, shards),
			`SELECT create_distributed_table('learning_log_aggregates', 'user_id', colocate_with => 'learning_log')`,
			`SELECT create_distributed_table('learning_log_sealed_days', 'user_id', colocate_with => 'learning_log')`,
			`SELECT create_distributed_table('learning_log_settings', 'user_id', colocate_with => 'learning_log')`,
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("distributing the tables: %w", err)
			}
		}
		return nil
	})
}
