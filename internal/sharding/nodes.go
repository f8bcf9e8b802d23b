package sharding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Nodes are the nodes of a cluster. What is about the users of one shard is sent to the node
// that has the shard: so it passes through no other, and the coordinator doesn't limit what
// all nodes can do. Every node knows where all shards are, so what is sent to another one
// is right too, and only slower.
type Nodes struct {
	coordinator *pgxpool.Pool
	open        OpenNode
	logger      *slog.Logger
	opened      map[Node]*nodePool // is used by one goroutine at a time
	layout      atomic.Pointer[layout]
}

// layout is where all shards are.
type layout struct {
	Shards

	places []Place // of the shards
}

// Node is a node of the cluster, as the coordinator knows it. Two servers that have the same
// address in different networks differ in when they were started.
type Node struct {
	Host     string
	Port     uint16
	Database string // the oid of the database, and when the server was started
}

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
	n := &Nodes{coordinator: coordinator, open: open, logger: logger, opened: make(map[Node]*nodePool)}
	return n, n.refresh(ctx)
}

// Run follows shards that are moved or split, and nodes that are started anew, until ctx ends.
func (n *Nodes) Run(ctx context.Context) {
	const every = 5 * time.Second
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		asking, cancel := context.WithTimeout(ctx, every)
		if err := n.refresh(asking); err != nil && ctx.Err() == nil {
			n.logger.DebugContext(ctx, "looking where the shards are", slog.Any("error", err))
		}
		cancel()
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
	Node
}

// refresh looks where the shards are. Nodes that don't answer the coordinator, or don't know
// all shards, aren't used directly.
func (n *Nodes) refresh(ctx context.Context) error {
	rows, err := n.coordinator.Query(ctx, `
		SELECT DISTINCT ON (shardminvalue::int)
		       shardminvalue::int, nodename, nodeport,
		       CASE WHEN groupid <> 0 AND hasmetadata AND metadatasynced AND success THEN result ELSE '' END
		FROM pg_dist_shard
		JOIN pg_dist_placement USING (shardid)
		JOIN pg_dist_node USING (groupid)
		LEFT JOIN run_command_on_workers($1) USING (nodename, nodeport)
		WHERE logicalrelid = 'learning_log'::regclass AND noderole = 'primary'
		ORDER BY 1`, IdentitySQL)
	if err != nil {
		return wrapped(err)
	}
	placements, err := pgx.CollectRows(rows, pgx.RowToStructByPos[placement])
	if err != nil {
		return wrapped(err)
	}
	now := &layout{Shards: Shards{firsts: make([]int32, len(placements))}, places: make([]Place, len(placements))}
	count := make(map[string]int)
	for i, placed := range placements {
		address := net.JoinHostPort(placed.Host, strconv.Itoa(int(placed.Port)))
		pool, err := n.poolOf(placed.Node)
		if err != nil {
			return err
		}
		now.firsts[i], now.places[i] = placed.First, Place{Node: address, Number: count[address], pool: pool}
		count[address]++
	}
	n.layout.Store(now)
	for node, one := range n.opened {
		if !slices.ContainsFunc(now.places, func(place Place) bool { return place.pool == one }) {
			delete(n.opened, node)
			go one.node.Close() // it waits for what is under way
		}
	}
	return nil
}

// poolOf returns the connections to a node, or nil if it isn't to be used directly.
func (n *Nodes) poolOf(node Node) (*nodePool, error) {
	if node.Database == "" || n.opened[node] != nil {
		return n.opened[node], nil
	}
	pool, err := n.open(node)
	if err != nil {
		return nil, fmt.Errorf("opening the pool of node %s: %w", node.Host, err)
	}
	n.opened[node] = &nodePool{node: pool, coordinator: n.coordinator}
	return n.opened[node], nil
}

// Place is where a shard is.
type Place struct {
	Node   string // the address of its node
	Number int    // of the shard among those of the node, from 0

	pool *nodePool // nil if the node isn't to be used directly
}

// Place returns where a user's shard is.
func (n *Nodes) Place(user uuid.UUID) Place {
	now := n.layout.Load()
	return now.places[now.Of(user)]
}

// Count returns the number of shards.
func (n *Nodes) Count() int { return n.layout.Load().Count() }

// At returns where to send what is about a user.
func (n *Nodes) At(user uuid.UUID) Pool {
	if pool := n.Place(user).pool; pool != nil {
		return pool
	}
	return n.coordinator
}

// Pool is the part of a [pgxpool.Pool] that one user's statements need.
type Pool interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	Begin(ctx context.Context) (pgx.Tx, error)
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
	Reset()
}

// nodePool is a pool of connections to a node. What can't connect to it goes to the
// coordinator: the node may be in a network of its own.
type nodePool struct {
	node, coordinator *pgxpool.Pool
	failed            atomic.Int64 // when it couldn't be connected to, in nanoseconds
}

// instead reports whether the coordinator is to be asked instead.
func (p *nodePool) instead() bool {
	const pause = 5 * time.Second
	return time.Since(time.Unix(0, p.failed.Load())) < pause
}

func (p *nodePool) notice(err error) (unreachable bool) {
	_, unreachable = errors.AsType[*pgconn.ConnectError](err)
	if unreachable {
		p.failed.Store(time.Now().UnixNano())
	}
	return unreachable
}

func (p *nodePool) Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error) {
	if !p.instead() {
		rows, err := p.node.Query(ctx, sql, arguments...)
		if !p.notice(err) {
			return rows, err //nolint:wrapcheck // it is a pool
		}
	}
	return p.coordinator.Query(ctx, sql, arguments...) //nolint:wrapcheck // as above
}

func (p *nodePool) Begin(ctx context.Context) (pgx.Tx, error) { return p.BeginTx(ctx, pgx.TxOptions{}) }

func (p *nodePool) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	if !p.instead() {
		tx, err := p.node.BeginTx(ctx, options)
		if !p.notice(err) {
			return tx, err //nolint:wrapcheck // as above
		}
	}
	return p.coordinator.BeginTx(ctx, options) //nolint:wrapcheck // as above
}

func (p *nodePool) Reset() {
	p.node.Reset()
	p.coordinator.Reset()
}
