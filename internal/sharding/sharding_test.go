package sharding_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/sharding"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestUsersAreHashedAsByPostgreSQL(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	users := []uuid.UUID{uuid.Nil, uuid.Max}
	for range 1000 {
		users = append(users, uuid.New())
	}
	for _, user := range users {
		var want int32
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT uuid_hash($1)`, user).Scan(&want))
		require.Equal(t, want, sharding.Hash(user), "%s", user)
	}
}

func TestAUserIsInTheShardWithTheirHash(t *testing.T) {
	t.Parallel()
	user := uuid.MustParse("0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22")
	of := sharding.Hash(user)
	const lowest = -1 << 31
	for want, firsts := range [][]int32{{lowest, of + 1}, {lowest, of, of + 1}, {lowest, lowest + 1, of - 1}} {
		assert.Equal(t, want, sharding.Of(firsts...).Of(user), "%v", firsts)
	}
}

func TestTablesOfOneServerAreNotDistributed(t *testing.T) {
	t.Parallel()
	if pgtest.Distributed() {
		t.Skip("the tables of the tests are distributed")
	}
	shards, err := sharding.Read(t.Context(), pgtest.Pool(t))
	require.NoError(t, err)
	assert.Nil(t, shards)
	assert.Equal(t, 1, shards.Count())
	assert.Zero(t, shards.Of(uuid.New()))
}

func TestUsersAreDividedByTheirShards(t *testing.T) {
	t.Parallel()
	const lowest = -1 << 31
	shards := sharding.Of(lowest, 0, 1<<30)
	users := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New()}
	var all []uuid.UUID
	last := -1
	for _, theirs := range shards.Divide(slices.Values(users)) {
		require.NotEmpty(t, theirs)
		require.Greater(t, shards.Of(theirs[0]), last)
		last = shards.Of(theirs[0])
		for _, user := range theirs {
			assert.Equal(t, last, shards.Of(user))
		}
		all = append(all, theirs...)
	}
	assert.ElementsMatch(t, users, all)
}
