package sharding

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/puddle/v2"
)

// Nodes are the nodes of a cluster. What is about the users of one shard is sent to the node
// that has the shard: so it passes through no other, and the coordinator doesn't limit what
// all nodes can do. Every node knows where all shards are, so what is sent to another one
// is right too, and only slower.
type Nodes struct {
	coordinator *pgxpool.Pool
	open        OpenNode
	logger      *slog.Logger
	opened      map[string]*nodePool // by address; it is used by one goroutine at a time
	layout      atomic.Pointer[Layout]
}

// Node is a node of the cluster, as the coordinator knows it. Two servers that have the same
// address in different networks differ in when they were started.
type Node struct {
	Host     string
	Port     uint16
	Database string // the oid of the database, and when the server was started
}

func (n Node) address() string { return net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port))) }

// IdentitySQL selects what a [Node] must have as its Database.
const IdentitySQL = `
	SELECT oid || ' ' || extract(epoch FROM pg_postmaster_start_time()) FROM pg_database WHERE datname = current_database()`

// OpenNode returns a pool of connections to a node. It doesn't connect. A connection to
// something that isn't the node fails with a [pgconn.ConnectError].
type OpenNode func(Node) (*pgxpool.Pool, error)

// ReadNodes returns the nodes, or nil if the tables aren't distributed.
func ReadNodes(ctx context.Context, coordinator *pgxpool.Pool, open OpenNode, logger *slog.Logger) (*Nodes, error) {
	shards, err := Read(ctx, coordinator)
	if err != nil || shards == nil {
		return nil, err
	}
	n := &Nodes{coordinator: coordinator, open: open, logger: logger, opened: make(map[string]*nodePool)}
	return n, n.refresh(ctx)
}

// Run follows shards that are moved or split, and nodes that go and come, until ctx ends.
func (n *Nodes) Run(ctx context.Context) {
	const every = 5 * time.Second
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		asking, cancel := context.WithTimeout(ctx, every)
		err := n.refresh(asking)
		cancel()
		if err != nil && !failed && ctx.Err() == nil {
			n.logger.WarnContext(ctx, "it can't be read where the shards are; what is known holds", slog.Any("error", err))
		}
		failed = err != nil
	}
}

// Close closes all connections to nodes other than the coordinator, after Run has ended.
func (n *Nodes) Close() {
	for _, one := range n.opened {
		one.node.Close()
	}
}

// placement says where a shard is.
type placement struct {
	First int32 // the first hash of its range
	Host  string
	Port  uint16
	// Direct says that the node is a worker that knows where all shards are.
	Direct bool
}

// refresh looks where the shards are, and which nodes can be used directly.
func (n *Nodes) refresh(ctx context.Context) error {
	rows, err := n.coordinator.Query(ctx, `
		SELECT DISTINCT ON (shardminvalue::int)
		       shardminvalue::int, nodename, nodeport, groupid <> 0 AND hasmetadata AND metadatasynced
		FROM pg_dist_shard
		JOIN pg_dist_placement USING (shardid)
		JOIN pg_dist_node USING (groupid)
		WHERE logicalrelid = 'learning_log'::regclass AND noderole = 'primary'
		ORDER BY 1`)
	if err != nil {
		return wrapped(err)
	}
	placements, err := pgx.CollectRows(rows, pgx.RowToStructByPos[placement])
	if err != nil {
		return wrapped(err)
	}
	if len(placements) == 0 {
		return errNotTogether
	}
	n.identify(ctx)
	now := &Layout{shards: Shards{firsts: make([]int32, len(placements))}, places: make([]Place, len(placements))}
	count := make(map[string]int)
	for i, placed := range placements {
		place := Place{Node: Node{Host: placed.Host, Port: placed.Port}.address()}
		place.Number = count[place.Node]
		if placed.Direct {
			place.pool = n.opened[place.Node]
		}
		now.shards.firsts[i], now.places[i] = placed.First, place
		count[place.Node]++
	}
	n.probe(ctx)
	n.layout.Store(now)
	return nil
}

// identify opens pools of connections to new nodes, and to those that were started anew. A
// node that doesn't answer the coordinator keeps its pool.
func (n *Nodes) identify(ctx context.Context) {
	const timeout = 2 * time.Second // Citus waits for half a minute
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	rows, err := n.coordinator.Query(ctx, `
		SELECT nodename, nodeport, result FROM run_command_on_workers($1) WHERE success`, IdentitySQL)
	if err != nil {
		return
	}
	nodes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Node])
	if err != nil {
		return
	}
	for _, node := range nodes {
		before := n.opened[node.address()]
		if before != nil && before.database == node.Database {
			continue
		}
		pool, err := n.open(node)
		if err != nil {
			n.logger.WarnContext(ctx, "a node can't be used directly", slog.String("node", node.address()), slog.Any("error", err))
			continue
		}
		one := &nodePool{node: pool, coordinator: n.coordinator, database: node.Database}
		one.away.Store(true) // until it is known to answer
		n.opened[node.address()] = one
		if before != nil {
			go before.node.Close() // it waits for what is under way
		}
	}
}

// probe connects to all nodes, to find out which of them answer.
func (n *Nodes) probe(ctx context.Context) {
	const timeout = time.Second
	var probing sync.WaitGroup
	for address, one := range n.opened {
		probing.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			connection, err := pgx.ConnectConfig(ctx, one.node.Config().ConnConfig)
			if err == nil {
				_ = connection.Close(ctx)
			} else if !one.warned {
				n.logger.WarnContext(ctx, "a node can't be connected to; what is meant for it goes through the coordinator, which is slower",
					slog.String("node", address), slog.Any("error", err))
			}
			one.warned = err != nil
			one.away.Store(err != nil)
		})
	}
	probing.Wait()
}

// Layout is where all shards are at a time.
type Layout struct {
	shards Shards
	places []Place // of the shards
}

// Place is where a shard is.
type Place struct {
	Node   string // the address of its node
	Number int    // of the shard among those of the node, from 0

	pool *nodePool // nil if the node isn't to be used directly
}

// Now returns where the shards are now, as far as it is known.
func (n *Nodes) Now() *Layout { return n.layout.Load() }

// Place returns where a user's shard is.
func (l *Layout) Place(user uuid.UUID) Place { return l.places[l.shards.Of(user)] }

// Count returns the number of shards.
func (l *Layout) Count() int { return l.shards.Count() }

// At returns where to send what is about a user.
func (n *Nodes) At(user uuid.UUID) Pool {
	if pool := n.Now().Place(user).pool; pool != nil && !pool.away.Load() {
		return pool
	}
	return n.coordinator
}

// Pool is the part of a [pgxpool.Pool] that one user's statements need.
type Pool interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	Acquire(ctx context.Context) (*pgxpool.Conn, error)
	Begin(ctx context.Context) (pgx.Tx, error)
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
	Reset()
}

// nodePool is a pool of connections to a node. While the node can't be connected to, what is
// meant for it goes through the coordinator: the node may be in a network of its own.
type nodePool struct {
	node, coordinator *pgxpool.Pool
	database          string // as in Node
	// away says that the node couldn't be connected to. Only [Nodes.probe] tries again.
	away   atomic.Bool
	warned bool // belongs to Nodes.probe
}

// unused notes what an error says of the node, and reports whether nothing was sent to it.
func (p *nodePool) unused(err error) bool {
	_, unreachable := errors.AsType[*pgconn.ConnectError](err)
	if unreachable {
		p.away.Store(true)
	}
	return unreachable || errors.Is(err, puddle.ErrClosedPool) // it has another pool by now
}

func (p *nodePool) Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error) {
	if !p.away.Load() {
		rows, err := p.node.Query(ctx, sql, arguments...)
		if !p.unused(err) {
			return rows, err //nolint:wrapcheck // it is a pool
		}
	}
	return p.coordinator.Query(ctx, sql, arguments...) //nolint:wrapcheck // as above
}

func (p *nodePool) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if !p.away.Load() {
		connection, err := p.node.Acquire(ctx)
		if !p.unused(err) {
			return connection, err //nolint:wrapcheck // as above
		}
	}
	return p.coordinator.Acquire(ctx) //nolint:wrapcheck // as above
}

func (p *nodePool) Begin(ctx context.Context) (pgx.Tx, error) { return p.BeginTx(ctx, pgx.TxOptions{}) }

func (p *nodePool) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	if !p.away.Load() {
		tx, err := p.node.BeginTx(ctx, options)
		if !p.unused(err) {
			return tx, err //nolint:wrapcheck // as above
		}
	}
	return p.coordinator.BeginTx(ctx, options) //nolint:wrapcheck // as above
}

// Reset closes the connections that are used just now.
func (p *nodePool) Reset() {
	if p.away.Load() {
		p.coordinator.Reset()
	} else {
		p.node.Reset()
	}
}
