package pgtest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"learninglog/internal/postgres"
	"learninglog/internal/sharding"
)

// clusterVariable has the address of a database at the coordinator of a Citus cluster,
// as a superuser. Its workers are those of the tests. If it is set, all tests that have a
// database of this package have one that is distributed.
const clusterVariable = "TEST_CITUS_URL"

// Distributed reports whether the databases of the tests are distributed over a cluster.
func Distributed() bool { return os.Getenv(clusterVariable) != "" }

// testShards is how many shards the tables of a test have: enough that users are in
// different ones, and few, because each is some files to copy.
const testShards = 4

// readNodes returns the addresses of all nodes of the cluster, the coordinator first.
func readNodes(ctx context.Context, coordinator string) ([]string, error) {
	connection, err := pgx.Connect(ctx, coordinator)
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close(ctx) }()
	rows, err := connection.Query(ctx, `
		SELECT nodename, nodeport FROM pg_dist_node WHERE noderole = 'primary' ORDER BY groupid`)
	if err != nil {
		return nil, fmt.Errorf("reading the nodes of the cluster at %s: %w", clusterVariable, err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var host string
		var port int
		err := row.Scan(&host, &port)
		return atNode(coordinator, host, port), err
	})
}

// atNode returns the address of the same database at another node.
func atNode(coordinator, host string, port int) string {
	parsed, err := url.Parse(coordinator)
	if err != nil {
		panic(fmt.Sprintf("pgtest: %v", err)) // pgx has parsed the address before
	}
	parsed.Host = net.JoinHostPort(host, strconv.Itoa(port))
	return parsed.String()
}

// EmptyClusterURL returns the address of a new database without tables, at the coordinator of
// a cluster. It skips the test if there is none.
func EmptyClusterURL(t testing.TB) string {
	t.Helper()
	if !Distributed() {
		t.Skip(clusterVariable + " says where a Citus cluster is; it isn't set")
	}
	address := EmptyURL(t)
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	require.NoError(t, server.joinNodes(t.Context(), parsed.Path[1:]))
	return address
}

// joinNodes makes a cluster of the databases that have a name.
func (s *shared) joinNodes(ctx context.Context, name string) error {
	for _, node := range s.nodes {
		if err := executeAt(ctx, withDatabase(node, name), `CREATE EXTENSION citus`); err != nil {
			return err
		}
	}
	for i, node := range s.nodes {
		parsed, err := url.Parse(node)
		if err != nil {
			return err
		}
		join := `SELECT citus_add_node('%s', %s)`
		if i == 0 {
			join = `SELECT citus_set_coordinator_host('%s', %s)`
		}
		if err := executeAt(ctx, withDatabase(s.url, name), fmt.Sprintf(join, parsed.Hostname(), parsed.Port())); err != nil {
			return err
		}
	}
	return nil
}

// distributeTemplate distributes the tables of the template. Then nobody may be connected
// to it, as databases are copied from it: not even Citus's own processes.
func (s *shared) distributeTemplate(ctx context.Context) error {
	connection, err := pgx.Connect(ctx, withDatabase(s.url, s.template))
	if err != nil {
		return err
	}
	err = sharding.Distribute(ctx, connection, testShards)
	_ = connection.Close(ctx)
	if err != nil {
		return err
	}
	return s.execute(ctx, closeSQL(s.template)...)
}

// closeSQL returns the statements by which nobody is connected to a database any more.
func closeSQL(database string) []string {
	const patience = "5000" // milliseconds
	return []string{
		`ALTER DATABASE ` + database + ` ALLOW_CONNECTIONS false`,
		`SELECT pg_terminate_backend(pid, ` + patience + `) FROM pg_stat_activity WHERE datname = '` + database + `'`,
	}
}

// Nodes returns the nodes of the cluster over which the tables in a database of a test are
// distributed, or nil if they aren't.
func Nodes(t require.TestingT, pool *pgxpool.Pool) *sharding.Nodes {
	if !Distributed() {
		return nil // a test may have a database that is away
	}
	nodes, err := sharding.ReadNodes(context.Background(), pool, postgres.OpenNode(pool.Config().ConnString()), slog.Default())
	require.NoError(t, err)
	if test, ok := t.(testing.TB); ok {
		test.Cleanup(nodes.Close)
	}
	return nodes
}
