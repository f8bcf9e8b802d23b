package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// timelines has the newest timeline of each cluster that was seen, by the system
// identifier, which a primary and its standbys have in common. A standby that is promoted
// begins a new timeline, with a higher number. So a primary that comes back after another
// was promoted is known by its lower number, although it takes writes.
type timelines struct {
	mu     sync.Mutex
	newest map[string]uint64
}

// followPromotions makes connections go to the server that takes writes, whatever the URL
// says, and never back from a promoted server to the primary before. pgx would take the
// first server of the URL that takes writes.
func followPromotions(config *pgconn.Config) {
	seen := &timelines{newest: make(map[string]uint64)}
	asked := config.ValidateConnect // by target_session_attrs
	if asked == nil {
		asked = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	config.ValidateConnect = func(ctx context.Context, connection *pgconn.PgConn) error {
		if err := asked(ctx, connection); err != nil {
			return err
		}
		return seen.check(ctx, connection)
	}
}

// check refuses a server that is behind the newest one. A server that doesn't tell its
// timeline, as a service in a cloud may not, is taken as it is.
func (t *timelines) check(ctx context.Context, connection *pgconn.PgConn) error {
	const query = `
		SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint
		FROM pg_control_system()`
	results, err := connection.Exec(ctx, query).ReadAll()
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.SeverityUnlocalized == "ERROR" {
		return nil
	}
	if err != nil {
		return err
	}
	cluster := string(results[0].Rows[0][0])
	timeline, err := strconv.ParseUint(string(results[0].Rows[0][1]), 10, 32)
	if err != nil {
		return fmt.Errorf("reading the timeline of a server: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if newest := t.newest[cluster]; timeline < newest {
		return fmt.Errorf("this was the primary before another server was promoted: it is on timeline %d, and the other on %d; "+
			"make it a standby, or stop it", timeline, newest)
	}
	t.newest[cluster] = timeline
	return nil
}

// meetAll connects to every server of the URL by itself, so that the newest timeline is
// known before the first one that takes writes is used.
func meetAll(ctx context.Context, config *pgx.ConnConfig, all []server) {
	var meeting sync.WaitGroup
	for _, one := range all {
		meeting.Go(func() {
			if connection, err := pgx.ConnectConfig(ctx, only(config, one)); err == nil {
				_ = connection.Close(ctx)
			}
		})
	}
	meeting.Wait()
}

// only returns the configuration of connections to one of the servers.
func only(config *pgx.ConnConfig, one server) *pgx.ConnConfig {
	alone := config.Copy()
	ways := append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}, alone.Fallbacks...)
	ways = slices.DeleteFunc(ways, func(way *pgconn.FallbackConfig) bool {
		return way.Host != one.host || strconv.Itoa(int(way.Port)) != one.port
	})
	alone.Host, alone.Port, alone.TLSConfig, alone.Fallbacks = ways[0].Host, ways[0].Port, ways[0].TLSConfig, ways[1:]
	return alone
}

// leaveReadOnlyServers makes all connections be replaced when one is found to be to a
// server that takes no writes any more. Otherwise they would be used for as long as they
// last, although the next ones would be to the server that does. The pool is nil until it
// is made.
func leaveReadOnlyServers(config *pgconn.Config, pool *atomic.Pointer[pgxpool.Pool]) {
	stays := config.OnPgError
	config.OnPgError = func(connection *pgconn.PgConn, refused *pgconn.PgError) bool {
		if refused.Code != pgerrcode.ReadOnlySQLTransaction {
			return stays(connection, refused)
		}
		if all := pool.Load(); all != nil {
			all.Reset()
		}
		return false
	}
}
