// Package sharding knows whether the tables are distributed over the nodes of a Citus
// cluster, and which shard has a user's rows.
//
// Start with [Read].
package sharding

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Shards are the shards of the tables of logs, rollups, sealed days and settings. Each has the users whose
// ids hash into its range. The rows of a user in all tables are in the same shard, and
// so on the same node. Moving shards to other nodes doesn't change the ranges; splitting
// them does.
type Shards struct {
	firsts []int32 // the first hash of each range, in ascending order
}

// errNotTogether means that somebody has distributed the tables in a way of their own.
var errNotTogether = errors.New("learning_log, learning_log_aggregates, learning_log_sealed_days and learning_log_settings must be distributed together, " +
	"by a hash of user_id: create the tables anew, and distribute them by `learninglog distribute`")

// tablesSQL is a list of the tables that are distributed.
const tablesSQL = `to_regclass('learning_log'), to_regclass('learning_log_aggregates'),
	to_regclass('learning_log_sealed_days'), to_regclass('learning_log_settings')`

// querier is the part of a pgx pool or transaction that [Read] uses.
type querier interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row
}

// Read returns the shards, or nil if the tables aren't distributed.
func Read(ctx context.Context, db querier) (*Shards, error) {
	var has bool
	err := db.QueryRow(ctx, `SELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL`).Scan(&has)
	if err != nil || !has {
		return nil, wrapped(err)
	}
	var distributed, colocated, all int // the tables that there are: an older version has fewer
	err = db.QueryRow(ctx, `
		SELECT count(*),
		       count(*) FILTER (WHERE partmethod = 'h' AND column_to_column_name(logicalrelid, partkey) = 'user_id')
		           / greatest(1, count(DISTINCT colocationid)),
		       num_nonnulls(`+tablesSQL+`)
		FROM pg_dist_partition
		WHERE logicalrelid IN (`+tablesSQL+`)`,
	).Scan(&distributed, &colocated, &all)
	switch {
	case err != nil || distributed == 0:
		return nil, wrapped(err)
	case colocated != all:
		return nil, errNotTogether
	}
	rows, err := db.Query(ctx, `
		SELECT shardminvalue::int FROM pg_dist_shard WHERE logicalrelid = 'learning_log'::regclass ORDER BY 1`)
	if err != nil {
		return nil, wrapped(err)
	}
	firsts, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return nil, wrapped(err)
	}
	return &Shards{firsts: firsts}, nil
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("reading how the tables are distributed: %w", err)
}

// Count returns the number of shards, or 1 if the tables aren't distributed.
func (s *Shards) Count() int {
	if s == nil {
		return 1
	}
	return len(s.firsts)
}

// Divide divides users by their shards, in the order of these.
func (s *Shards) Divide(users iter.Seq[uuid.UUID]) [][]uuid.UUID {
	of := make([][]uuid.UUID, s.Count())
	for user := range users {
		of[s.Of(user)] = append(of[s.Of(user)], user)
	}
	return slices.DeleteFunc(of, func(users []uuid.UUID) bool { return users == nil })
}

// Of returns the shard that has a user, from 0 to Count-1.
func (s *Shards) Of(user uuid.UUID) int {
	if s == nil {
		return 0
	}
	shard, found := slices.BinarySearch(s.firsts, hash(user))
	if !found {
		shard--
	}
	return shard
}
