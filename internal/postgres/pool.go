// Package postgres connects to PostgreSQL, migrates it, and classifies its errors.
package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"learninglog/internal/sharding"
)

const (
	// connectTimeout is how long connecting may take, to all servers of a URL together.
	connectTimeout = 5 * time.Second
	oldestVersion  = 15
	// maxConnections is higher than pgx's default (one per core), because
	// connections mostly wait for the disk. The URL's pool_max_conns overrides it.
	maxConnections = 16
	minConnections = 9
)

// CheckURL returns nil if [Open] can use the URL of a database, or an error that
// says what is wrong. It doesn't connect. The error never contains any part of the
// URL.
func CheckURL(url string) error {
	_, err := configOf(url)
	return err
}

// Open returns a pool of connections to the database at url when the database
// answers. It retries until timeout has passed (0: a single try), so that a service
// and its database may be started together, and logs that it waits. It refuses a URL
// that can't be used at once: see [CheckURL].
func Open(ctx context.Context, url string, timeout time.Duration, logger *slog.Logger) (*pgxpool.Pool, error) {
	config, err := configOf(url)
	if err != nil {
		return nil, err
	}
	var opened atomic.Pointer[pgxpool.Pool]
	leaveReadOnlyServers(&config.ConnConfig.Config, &opened)
	if all := servers(config); len(all) > 1 {
		followPromotions(&config.ConnConfig.Config)
		meetAll(ctx, config.ConnConfig, all)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening the connection pool: %w", err)
	}
	opened.Store(pool)
	if err := waitUntilReady(ctx, pool, timeout, logger); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// OpenNode returns a function that opens a pool of connections to a node of the cluster
// whose coordinator is at url, with the settings of that URL. See [sharding.OpenNode].
func OpenNode(url string) sharding.OpenNode {
	return func(node sharding.Node) (*pgxpool.Pool, error) {
		config, err := configOf(url)
		if err != nil {
			return nil, err
		}
		config.MinConns, config.MinIdleConns = 0, 0
		to := config.ConnConfig
		*to = *only(to, servers(config)[0])
		to.Host, to.Port, to.TLSConfig = node.Host, node.Port, namedTLS(to.TLSConfig, node.Host)
		for _, way := range to.Fallbacks {
			way.Host, way.Port, way.TLSConfig = node.Host, node.Port, namedTLS(way.TLSConfig, node.Host)
		}
		var opened atomic.Pointer[pgxpool.Pool]
		leaveReadOnlyServers(&to.Config, &opened)
		to.ValidateConnect = func(ctx context.Context, connection *pgconn.PgConn) error {
			results, err := connection.Exec(ctx, sharding.IdentitySQL).ReadAll()
			if err != nil {
				return err //nolint:wrapcheck // by pgconn
			}
			if string(results[0].Rows[0][0]) != node.Database {
				return fmt.Errorf("%s, port %d, isn't the node that has this address at the coordinator, or was started again", node.Host, node.Port)
			}
			return nil
		}
		pool, err := pgxpool.NewWithConfig(context.Background(), config)
		if err != nil {
			return nil, fmt.Errorf("opening the connection pool: %w", err)
		}
		opened.Store(pool)
		return pool, nil
	}
}

// namedTLS returns the settings of TLS for a server with another name.
func namedTLS(settings *tls.Config, host string) *tls.Config {
	if settings == nil {
		return nil
	}
	settings = settings.Clone()
	if settings.ServerName != "" {
		settings.ServerName = host
	}
	return settings
}

func configOf(url string) (*pgxpool.Config, error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout / time.Duration(len(servers(config)))
	}
	config.ConnConfig.DialFunc = newDialer(config.ConnConfig.ConnectTimeout).DialContext
	if _, ok := config.ConnConfig.RuntimeParams["application_name"]; !ok {
		config.ConnConfig.RuntimeParams["application_name"] = "learninglog"
	}
	config.AfterConnect = func(_ context.Context, connection *pgx.Conn) error {
		pgxuuid.Register(connection.TypeMap()) // pgx would write a UUID as text, and read it again
		return nil
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConnections
	}
	if config.MaxConns < minConnections {
		return nil, fmt.Errorf("pool_max_conns in the database URL must be at least %d: "+
			"the job queue, rebuilds, operators' rebuilds, routine verifications, re-zones, purges and erasures hold connections of their own", minConnections)
	}
	switch config.ConnConfig.DefaultQueryExecMode { // the others have binary rows, which a comparison reads as they are
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol: // for poolers that switch connections between statements
		return nil, errors.New("the database URL must not set this default_query_exec_mode: " +
			"rebuilds hold locks for as long as a connection lasts, so a pooler in between must keep it for the session")
	default:
	}
	return config, nil
}

func waitUntilReady(ctx context.Context, pool *pgxpool.Pool, timeout time.Duration, logger *slog.Logger) error {
	const pause = 250 * time.Millisecond
	check := func() (struct{}, error) {
		err := checkVersion(ctx, pool)
		if err != nil && !worthWaitingFor(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}
	var once sync.Once
	tell := func(err error, _ time.Duration) {
		once.Do(func() { logger.WarnContext(ctx, "waiting for the database", "at_most", timeout, "error", err) })
	}
	_, err := backoff.Retry(ctx, check,
		backoff.WithBackOff(backoff.NewConstantBackOff(pause)),
		backoff.WithMaxElapsedTime(max(timeout, 1)), // 0 would mean no limit
		backoff.WithNotify(tell))
	return err
}

// worthWaitingFor reports whether err may come from a database that is starting.
// Waiting doesn't help with a wrong password or a missing database.
func worthWaitingFor(err error) bool {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return isTemporary(refused.Code)
	}
	return Unavailable(err)
}

func checkVersion(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var version int
	if err := pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int / 10000`).Scan(&version); err != nil {
		return fmt.Errorf("the database can't be reached: %w", withoutRepeats{withoutSettings{err}})
	}
	if version < oldestVersion {
		return fmt.Errorf("the database is PostgreSQL %d, but %d or newer is needed", version, oldestVersion)
	}
	return nil
}

// withoutSettings is an error of connecting whose text has no settings of the
// database URL: a server that refuses one quotes its value.
type withoutSettings struct{ err error }

func (e withoutSettings) Error() string {
	refused, ok := errors.AsType[*pgconn.PgError](e.err)
	if !ok || !refusesSetting(refused.Code) {
		return e.err.Error()
	}
	return "the server refuses one of the settings in the database URL, and its log says which (SQLSTATE " + refused.Code + ")"
}

func (e withoutSettings) Unwrap() error { return e.err }

// refusesSetting reports whether a server that refuses a connection may mean one of
// its settings.
func refusesSetting(code string) bool {
	return pgerrcode.IsDataException(code) ||
		pgerrcode.IsSyntaxErrororAccessRuleViolation(code) && code != pgerrcode.InsufficientPrivilege
}

// withoutRepeats is an error whose text doesn't repeat lines. pgx tries an address
// with and without TLS, and reports both failures.
type withoutRepeats struct{ err error }

func (e withoutRepeats) Error() string {
	var told []string
	for line := range strings.Lines(e.err.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(told, line) {
			told = append(told, line)
		}
	}
	if len(told) == 2 { // what was tried, and the result
		return strings.Join(told, " ")
	}
	return strings.Join(told, "\n\t")
}

func (e withoutRepeats) Unwrap() error { return e.err }
