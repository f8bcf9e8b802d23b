package sharding_test

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/internal/sharding"
)

// notebook notes every statement that is sent to a distributed database of a test.
type notebook struct {
	untraced    *pgxpool.Pool // what is sent through this isn't noted
	coordinator *pgxpool.Pool
	nodes       *sharding.Nodes
	unreachable *sharding.Nodes // so the coordinator is asked instead

	mu         sync.Mutex
	statements []statement
}

// statement is a statement that was sent.
type statement struct {
	at        *place
	sql       string
	arguments []any
}

// place is where statements are sent. It is the tracer of its own pool.
type place struct {
	name  string
	pool  *pgxpool.Pool
	notes *notebook
}

func newNotebook(t *testing.T) *notebook {
	t.Helper()
	if !pgtest.Distributed() {
		t.Skip("TEST_CITUS_URL says where a Citus cluster is; it isn't set")
	}
	n := &notebook{untraced: pgtest.Pool(t)}
	n.coordinator = n.openTraced(t, n.untraced, "the coordinator")
	t.Cleanup(n.coordinator.Close)
	open := postgres.OpenNode(n.untraced.Config().ConnString())
	read := func(open sharding.OpenNode) *sharding.Nodes {
		nodes, err := sharding.ReadNodes(t.Context(), n.coordinator, open, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		t.Cleanup(nodes.Close)
		return nodes
	}
	n.nodes = read(func(node sharding.Node) (*pgxpool.Pool, error) {
		pool, err := open(node)
		require.NoError(t, err)
		defer pool.Close()
		return n.openTraced(t, pool, "a node"), nil
	})
	n.unreachable = read(func(node sharding.Node) (*pgxpool.Pool, error) {
		node.Port = 1 // nobody answers there
		return open(node)
	})
	return n
}

// openTraced opens a pool like another one, whose statements are noted.
func (n *notebook) openTraced(t *testing.T, like *pgxpool.Pool, name string) *pgxpool.Pool {
	t.Helper()
	at := &place{name: name, notes: n}
	config := like.Config()
	config.ConnConfig.Tracer = at
	var err error
	at.pool, err = pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(t, err)
	return at.pool
}

// TraceQueryStart implements [pgx.QueryTracer].
func (p *place) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	p.note(data.SQL, data.Args)
	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (*place) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements [pgx.BatchTracer].
func (*place) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements [pgx.BatchTracer].
func (p *place) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	p.note(data.SQL, data.Args)
}

// TraceBatchEnd implements [pgx.BatchTracer].
func (*place) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (p *place) note(sql string, arguments []any) {
	p.notes.mu.Lock()
	defer p.notes.mu.Unlock()
	p.notes.statements = append(p.notes.statements, statement{at: p, sql: sql, arguments: slices.Clone(arguments)})
}

// read returns the statements so far that use the tables which are distributed. (Names in
// quotes are for catalogs.)
func (n *notebook) read() []statement {
	quoted, table := regexp.MustCompile(`'[^']*'`), regexp.MustCompile(`\blearning_log(_aggregates|_sealed_days|_settings)?\b`)
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(n.statements), func(s statement) bool {
		return !table.MatchString(quoted.ReplaceAllString(s.sql, ""))
	})
}
