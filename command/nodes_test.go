package command_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/internal/sharding"
)

// nodesBy returns the nodes of a test's cluster, whose pools are opened as open says.
func nodesBy(t *testing.T, pool *pgxpool.Pool, open sharding.OpenNode) *sharding.Nodes {
	t.Helper()
	if !pgtest.Distributed() {
		t.Skip("TEST_CITUS_URL says where a Citus cluster is; it isn't set")
	}
	nodes, err := sharding.ReadNodes(t.Context(), pool, open, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(nodes.Close)
	return nodes
}

// portOf returns the port of the server that answers statements about a user.
func portOf(t *testing.T, nodes *sharding.Nodes, user uuid.UUID) (port int) {
	t.Helper()
	rows, err := nodes.At(user).Query(t.Context(), `SELECT current_setting('port')::int`)
	require.NoError(t, err)
	defer rows.Close()
	require.True(t, rows.Next())
	require.NoError(t, rows.Scan(&port))
	return port
}

func placementOf(t *testing.T, pool *pgxpool.Pool, user uuid.UUID) (shard int64, port int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), `
		SELECT shardid, nodeport FROM pg_dist_placement JOIN pg_dist_node USING (groupid)
		WHERE shardid = get_shard_id_for_distribution_column('learning_log', $1::uuid)`, user).Scan(&shard, &port))
	return shard, port
}

// follow follows changes of the cluster until the test ends.
func follow(t *testing.T, nodes *sharding.Nodes) {
	t.Helper()
	following, stop := context.WithCancel(t.Context())
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		nodes.Run(following)
	}()
	t.Cleanup(func() {
		stop()
		<-followed
	})
}

func TestLogsAreWrittenAtTheNodeOfTheirUser(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	nodes := nodesBy(t, pool, postgres.OpenNode(pool.Config().ConnString()))
	for range 20 {
		user := uuid.New()
		_, want := placementOf(t, pool, user)
		assert.Equal(t, want, portOf(t, nodes, user))
	}
}

// A node may have an address that is another server's in the network of the service, or
// nobody's.
func TestLogsOfANodeThatCanNotBeReachedGoThroughTheCoordinator(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(node *sharding.Node, coordinator *pgx.ConnConfig){
		"nobody answers":       func(node *sharding.Node, _ *pgx.ConnConfig) { node.Port = 1 },
		"it has another start": func(node *sharding.Node, _ *pgx.ConnConfig) { node.Database += "1" },
		"it is another server": func(node *sharding.Node, coordinator *pgx.ConnConfig) { node.Port = coordinator.Port },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			openNode := postgres.OpenNode(pool.Config().ConnString())
			nodes := nodesBy(t, pool, func(node sharding.Node) (*pgxpool.Pool, error) {
				change(&node, pool.Config().ConnConfig)
				return openNode(node)
			})
			recorder := command.NewRecorder(pool, command.Config{Nodes: nodes})

			logs := newLogs(20)
			for _, outcome := range record(t, recorder, logs...) {
				assert.Equal(t, command.Recorded, outcome.Status)
			}
			for _, outcome := range record(t, recorder, logs...) {
				assert.Equal(t, command.AlreadyRecorded, outcome.Status)
			}

			require.NoError(t, recorder.Close(t.Context()))
			assert.Equal(t, len(logs), scan[int](t, pool, `SELECT count(*) FROM learning_log`))
			assertNoDrift(t, pool)
		})
	}
}

func TestLogsFollowTheirShardToAnotherNode(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	nodes := nodesBy(t, pool, postgres.OpenNode(pool.Config().ConnString()))
	follow(t, nodes)
	recorder := command.NewRecorder(pool, command.Config{Nodes: nodes})
	first := newLog(1, today)
	user := first.UserID
	next := func() command.Log {
		log := newLog(1, today)
		log.UserID = user
		return log
	}
	record(t, recorder, first)
	shard, from := placementOf(t, pool, user)
	var to int

	posted, moved := make(chan int), make(chan struct{})
	go func() {
		count := 0
		defer func() { posted <- count }()
		for {
			select {
			case <-moved:
				return
			default:
			}
			if submit(recorder, next()).wait(t)[0].Status == command.Recorded {
				count++
			}
		}
	}()
	require.NoError(t, pool.QueryRow(t.Context(), `
		SELECT other.nodeport
		FROM pg_dist_node AS old, pg_dist_node AS other,
		     citus_move_shard_placement($1, old.nodename, old.nodeport, other.nodename, other.nodeport, 'block_writes')
		WHERE old.nodeport = $2 AND other.groupid NOT IN (0, old.groupid)
		LIMIT 1`, shard, from).Scan(&to))
	close(moved)
	count := <-posted

	assert.Equal(t, command.Recorded, record(t, recorder, next())[0].Status, "before the service knows of it")
	require.Eventually(t, func() bool { return portOf(t, nodes, user) == to }, time.Minute, often)
	assert.Equal(t, command.Recorded, record(t, recorder, next())[0].Status, "and after")
	require.NoError(t, recorder.Close(t.Context()))
	assert.Equal(t, 3+count, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
	assertNoDrift(t, pool)
}

func TestLogsFollowAShardThatIsSplit(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	nodes := nodesBy(t, pool, postgres.OpenNode(pool.Config().ConnString()))
	recorder := command.NewRecorder(pool, command.Config{Nodes: nodes})
	logs := newLogs(20)
	record(t, recorder, logs[:10]...)
	shard, _ := placementOf(t, pool, logs[0].UserID)
	before := nodes.Now().Count()

	_, err := pool.Exec(t.Context(), `
		SELECT citus_split_shard_by_split_points(
		    shardid, ARRAY[((shardminvalue::bigint + shardmaxvalue::bigint) / 2)::text],
		    ARRAY[groupid, groupid], 'block_writes')
		FROM pg_dist_shard JOIN pg_dist_placement USING (shardid)
		WHERE shardid = $1`, shard)
	require.NoError(t, err)

	for _, outcome := range record(t, recorder, logs[10:]...) {
		assert.Equal(t, command.Recorded, outcome.Status, "before the service knows of it")
	}
	follow(t, nodes)
	require.Eventually(t, func() bool { return nodes.Now().Count() > before }, time.Minute, often)
	for _, outcome := range record(t, recorder, logs...) {
		assert.Equal(t, command.AlreadyRecorded, outcome.Status)
	}
	require.NoError(t, recorder.Close(t.Context()))
	assertNoDrift(t, pool)
}
