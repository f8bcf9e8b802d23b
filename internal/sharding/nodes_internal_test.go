package sharding

import (
	"math"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
)

// Whoever counts what is under way by pools, counts all that goes through the coordinator as one.
func TestWhatIsMeantForANodeThatIsAwayIsSentToTheCoordinator(t *testing.T) {
	t.Parallel()
	coordinator, there, away := new(pgxpool.Pool), new(nodePool), new(nodePool)
	away.away.Store(true)
	for pool, want := range map[*nodePool]Pool{nil: coordinator, there: there, away: coordinator} {
		nodes := Nodes{coordinator: coordinator}
		nodes.layout.Store(&Layout{shards: *Of(math.MinInt32), places: []Place{{pool: pool}}})
		assert.Same(t, want, nodes.At(uuid.New()))
	}
}
