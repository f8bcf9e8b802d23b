package access_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

	"learninglog/internal/access"
)

func TestNobodyMayDoOnlyWhatIsOpen(t *testing.T) {
	t.Parallel()
	nobody := access.Of(t.Context())
	assert.True(t, nobody.May(access.Open))
	for _, scope := range access.Scopes() {
		assert.False(t, nobody.May(scope), scope)
		assert.True(t, access.Everybody().May(scope), scope)
	}
	assert.False(t, nobody.Knows(uuid.New()))
	assert.True(t, access.Everybody().Knows(uuid.New()))
}

func TestALearnerKnowsThemselvesAlone(t *testing.T) {
	t.Parallel()
	learner := uuid.New()
	known := &access.Identity{Learner: &learner, Scopes: []access.Scope{access.ReadLogs}}
	assert.True(t, known.Knows(learner))
	assert.False(t, known.Knows(uuid.New()))
	assert.False(t, known.May(access.WriteLogs))
	assert.Same(t, known, access.Of(access.With(t.Context(), known)))
}
