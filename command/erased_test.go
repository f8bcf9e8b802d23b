package command_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/learning"
)

// erasedList is a list of erased users, or an error.
type erasedList struct {
	users map[uuid.UUID]bool
	err   error
}

func (l *erasedList) Current(context.Context) (func(uuid.UUID) bool, error) {
	return func(user uuid.UUID) bool { return l.users[user] }, l.err
}

func TestNothingIsRecordedOrVoidedOfAnErasedUser(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	list, heard := &erasedList{users: make(map[uuid.UUID]bool)}, new(tally)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Erased: list, Observer: heard})
	before, other := newLog(12, today), newLog(5, today)
	other.UserID = uuid.New()
	require.Equal(t, command.Recorded, record(t, recorder, before)[0].Status)
	list.users[before.UserID] = true
	again := newLog(7, today)
	again.UserID = before.UserID

	outcomes := record(t, recorder, before, again, other) // the first one is known
	voided := recorder.Void(t.Context(), []command.Target{{UserID: before.UserID, RequestID: before.RequestID}})

	for _, refused := range []command.Outcome{outcomes[0], outcomes[1], voided[0]} {
		assert.Equal(t, command.Outcome{Status: command.Erased}, refused, "and nothing is told of what is still there")
		assert.False(t, refused.Status.Retryable())
	}
	assert.Equal(t, command.Recorded, outcomes[2].Status)
	assert.Equal(t, 2, heard.soFar()[command.Erased])
	list.users[before.UserID] = false
	assert.Equal(t, command.AlreadyRecorded, record(t, recorder, before)[0].Status)
	assert.Equal(t, command.Recorded, record(t, recorder, again)[0].Status)
}

// erasingStore erases a user, as another process does, before it looks logs up.
type erasingStore struct {
	command.Store

	erase func()
}

func (s *erasingStore) Find(ctx context.Context, keys []command.Key) (command.RecordedLogs, error) {
	s.erase()
	return s.Store.Find(ctx, keys)
}

func TestALogOfAUserWhoIsErasedWhileItIsJudgedIsRefusedAsTheirs(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	list := &erasedList{users: make(map[uuid.UUID]bool)}
	log := newLog(12, today)
	store := &erasingStore{Store: command.NewStore(pool, pgtest.Nodes(t, pool)), erase: func() {
		list.users[log.UserID] = true
		_, err := pool.Exec(t.Context(), `DELETE FROM learning_log WHERE user_id = $1`, log.UserID)
		require.NoError(t, err)
	}}
	require.Equal(t, command.Recorded, record(t, command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}), log)[0].Status)

	outcome := record(t, command.NewRecorderOf(store, command.Config{Erased: list}), log)[0]

	assert.Equal(t, command.Outcome{Status: command.Erased}, outcome, "its request id is not another log's")
}

func TestNothingIsWrittenWhileNobodyCanTellWhoWasErased(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	away := errors.New("away")
	list := &erasedList{}
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Erased: list})
	log := newLog(12, today)
	list.err = away

	outcome := recorder.Record(t.Context(), []command.Log{log})[0]

	assert.Equal(t, command.Failed, outcome.Status)
	assert.ErrorIs(t, outcome.Err, away)
	list.err = nil
	assert.Equal(t, command.Recorded, record(t, recorder, log)[0].Status)
}

func TestNothingIsSetOfAnErasedUser(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	away := errors.New("away")
	list := &erasedList{users: map[uuid.UUID]bool{user: true}}
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Erased: list})
	settings := learning.Settings{DisplayName: "Mia", FreezeDays: 1}

	require.ErrorIs(t, recorder.ChangeSettings(t.Context(), user, settings), command.ErrErased)
	list.err = away
	require.ErrorIs(t, recorder.ChangeSettings(t.Context(), user, settings), away)

	var set int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM learning_log_settings`).Scan(&set))
	assert.Zero(t, set)
	list.users, list.err = nil, nil
	require.NoError(t, recorder.ChangeSettings(t.Context(), user, settings))
}
