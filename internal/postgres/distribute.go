package postgres

import (
	"context"
	"errors"
	"fmt"

	"learninglog/internal/sharding"
)

// ErrServiceRuns means, in [Migrator.Distribute], that a service uses the database.
var ErrServiceRuns = errors.New("a service uses the database, or was killed in the last half minute: stop all of them first")

// Distribute distributes the tables over the nodes of a Citus cluster: see
// [sharding.Distribute]. It returns how many shards there are then. If they are distributed
// already, it changes nothing. It fails with [ErrServiceRuns], because a service that runs
// would go on with statements for tables at one server: these are slow, and those that take
// logs back are refused. A service that is just starting may not be noticed.
func (m *Migrator) Distribute(ctx context.Context, shards int) (count int, err error) {
	err = m.withoutTimeouts(ctx, func(m *Migrator, ctx context.Context) error {
		return m.locked(ctx, func() error {
			there, err := sharding.Read(ctx, m.pool)
			if err != nil {
				return err
			}
			var runs bool
			err = m.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+RiverSchema+`.river_leader WHERE expires_at > now())`).Scan(&runs)
			if err != nil {
				return fmt.Errorf("looking for running services: %w", err)
			}
			if runs && there == nil {
				return ErrServiceRuns
			}
			connection, err := m.pool.Acquire(ctx)
			if err != nil {
				return fmt.Errorf("connecting: %w", err)
			}
			defer connection.Release()
			if err := sharding.Distribute(ctx, connection.Conn(), shards); err != nil {
				return err
			}
			there, err = sharding.Read(ctx, connection)
			count = there.Count()
			return err
		})
	})
	return count, err
}
