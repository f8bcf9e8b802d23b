package rebuild_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/internal/zones"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// Whatever is done in whatever order, the rollups are those of a map in memory.
func TestEverythingFollowsTheModel(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	known, err := zones.Open()
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			pool: pool, zones: known,
			recorder: command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Horizon: farHorizon{}}),
			logs:     make(map[uuid.UUID]*modelLog),
			sealed:   make(map[sealedDay]rollup.Sums),
		}
		for range 3 {
			m.users = append(m.users, uuid.New())
		}
		t.Repeat(map[string]func(*rapid.T){
			"record":  m.record,
			"retry":   m.retry,
			"void":    m.void,
			"replace": m.replace,
			"re-zone": m.rezone,
			"purge":   m.purge,
			"corrupt": m.corruptAndRebuild,
			"verify":  m.verify,
			"":        m.check,
		})
	})
}

// model is what should be recorded.
type model struct {
	pool     *pgxpool.Pool
	zones    *zones.Database
	recorder *command.Recorder

	users  []uuid.UUID
	logs   map[uuid.UUID]*modelLog // by request id
	sealed map[sealedDay]rollup.Sums
}

// farHorizon refuses nothing, but logs are purged.
type farHorizon struct{}

func (farHorizon) RefusedBefore() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

type sealedDay struct {
	user uuid.UUID
	day  rollup.Date
}

type modelLog struct {
	command.Log

	offset rollup.Offset
	voided bool
}

func (m *model) record(t *rapid.T) {
	log := m.draw(t)
	outcome := m.write(t, log.Log)
	require.Equal(t, command.Recorded, outcome)
	m.logs[log.RequestID] = log
}

func (m *model) retry(t *rapid.T) {
	log := m.drawRecorded(t)
	again := log.Log
	if rapid.Bool().Draw(t, "with another zone") {
		again.Zone = time.FixedZone("", -5*60*60)
	}
	want := command.AlreadyRecorded
	if log.voided {
		want = command.Voided
	}
	if rapid.Bool().Draw(t, "with other words") {
		again.WordCount++
		want = command.RequestIDReused
	}
	require.Equal(t, want, m.write(t, again))
}

func (m *model) void(t *rapid.T) {
	log := m.drawRecorded(t)
	want := command.Voided
	if log.voided {
		want = command.AlreadyVoided
	}
	target := command.Target{UserID: log.UserID, RequestID: log.RequestID}
	require.Equal(t, want, m.recorder.Void(context.Background(), []command.Target{target})[0].Status)
	log.voided = true
}

func (m *model) replace(t *rapid.T) {
	old, log := m.drawRecorded(t), m.draw(t)
	log.Replaces = old.RequestID
	if rapid.Bool().Draw(t, "of the same user") {
		log.UserID = old.UserID
	}
	want := command.Recorded
	if old.voided || old.UserID != log.UserID {
		want = command.ReplacedUnknown
	}
	require.Equal(t, want, m.write(t, log.Log))
	if want == command.Recorded {
		m.logs[log.RequestID], old.voided = log, true
	}
}

func (m *model) rezone(t *rapid.T) {
	zone, err := m.zones.Load(rapid.SampledFrom(
		[]string{"Asia/Tokyo", "America/St_Johns", "Pacific/Apia", "Pacific/Kiritimati", "UTC"}).Draw(t, "zone"))
	require.NoError(t, err)
	scope := rebuild.Scope{Users: m.users}
	if rapid.Bool().Draw(t, "of one user") {
		scope.Users = []uuid.UUID{rapid.SampledFrom(m.users).Draw(t, "user")}
	}
	if rapid.Bool().Draw(t, "of some dates") {
		scope.From = new(rollup.NewDate(2011, time.December, rapid.IntRange(28, 31).Draw(t, "from")))
		scope.To = new(*scope.From + rollup.Date(rapid.IntRange(0, 2).Draw(t, "days")))
	}
	m.work(t, func(tx pgx.Tx, part rebuild.Part) (rebuild.Chunk, error) {
		return rebuild.RezoneChunk(context.Background(), tx, scope, part, rebuild.ChunkOptions{MaxLogs: 2}, zone)
	})
	for _, log := range m.logs {
		date := rollup.DateOf(log.Timestamp.UTC())
		inScope := slices.Contains(scope.Users, log.UserID) &&
			(scope.From == nil || date >= *scope.From && date <= *scope.To)
		if inScope && log.Zone == nil && !log.voided {
			log.offset = rollup.OffsetAt(log.Timestamp, zone)
		}
	}
}

// purge forgets logs, and keeps what they came to.
func (m *model) purge(t *rapid.T) {
	before := time.Date(2011, 12, 29, rapid.IntRange(0, 73).Draw(t, "hour"), 0, 0, 0, time.UTC)
	for _, user := range m.users {
		for part := (&rebuild.Part{From: user, Last: user}); part != nil; {
			require.NoError(t, pgx.BeginFunc(context.Background(), m.pool, func(tx pgx.Tx) error {
				chunk, err := rebuild.PurgeChunk(context.Background(), tx, before, *part, rebuild.ChunkOptions{MaxLogs: 2})
				require.Empty(t, chunk.Examples)
				part = chunk.Rest
				return err
			}))
		}
	}
	for id, log := range m.logs {
		if !log.Timestamp.Before(before) {
			continue
		}
		if !log.voided {
			of := sealedDay{log.UserID, log.offset.DateAt(log.Timestamp)}
			m.sealed[of] = m.sealed[of].Plus(rollup.Sums{TotalWordCount: int64(log.WordCount), EntryCount: 1})
		}
		delete(m.logs, id)
	}
}

func (m *model) corruptAndRebuild(t *rapid.T) {
	user := rapid.SampledFrom(m.users).Draw(t, "user")
	execute(t, m.pool, `
		UPDATE learning_log_aggregates SET total_word_count = total_word_count + 7, entry_count = entry_count - 1
		WHERE user_id = $1 AND granularity <> 'week'`, user)
	execute(t, m.pool, `DELETE FROM learning_log_aggregates WHERE user_id = $1 AND granularity = 'week'`, user)
	m.work(t, func(tx pgx.Tx, part rebuild.Part) (rebuild.Chunk, error) {
		return rebuild.WorkChunk(context.Background(), tx, rebuild.Scope{Users: m.users}, part, rebuild.ChunkOptions{MaxLogs: 2})
	})
}

func (m *model) verify(t *rapid.T) {
	m.work(t, func(tx pgx.Tx, part rebuild.Part) (rebuild.Chunk, error) {
		chunk, err := rebuild.WorkChunk(context.Background(), tx, rebuild.Scope{Users: m.users}, part,
			rebuild.ChunkOptions{MaxLogs: 2, DryRun: true})
		require.Empty(t, chunk.Examples)
		return chunk, err
	})
}

// check compares the rollups with those of the model.
func (m *model) check(t *rapid.T) {
	want := make(map[string]rollup.Sums)
	for _, log := range m.logs {
		for _, granularity := range rollup.Granularities() {
			if !log.voided {
				row := fmt.Sprint(log.UserID, granularity, granularity.Start(log.offset.DateAt(log.Timestamp)))
				want[row] = want[row].Plus(rollup.Sums{TotalWordCount: int64(log.WordCount), EntryCount: 1})
			}
		}
	}
	for of, sums := range m.sealed {
		for _, granularity := range rollup.Granularities() {
			row := fmt.Sprint(of.user, granularity, granularity.Start(of.day))
			want[row] = want[row].Plus(sums)
		}
	}
	got := make(map[string]rollup.Sums)
	rows, err := m.pool.Query(context.Background(), `
		SELECT user_id::text || granularity || period, total_word_count, entry_count FROM learning_log_aggregates
		WHERE user_id = ANY($1) AND (total_word_count, entry_count) <> (0, 0)`, m.users)
	require.NoError(t, err)
	var row string
	var sums rollup.Sums
	_, err = pgx.ForEachRow(rows, []any{&row, &sums.TotalWordCount, &sums.EntryCount}, func() error {
		got[row] = sums
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// draw returns a new log at about the date that Samoa skipped.
func (m *model) draw(t *rapid.T) *modelLog {
	log := &modelLog{Log: command.Log{
		RequestID: uuid.New(),
		UserID:    rapid.SampledFrom(m.users).Draw(t, "user"),
		WordCount: rapid.IntRange(0, 9).Draw(t, "words"),
		Timestamp: time.Date(2011, 12, 29, rapid.IntRange(0, 71).Draw(t, "hour"), 30, 0, 0, time.UTC),
	}}
	if rapid.Bool().Draw(t, "with a zone") {
		minutes := rapid.SampledFrom([]int{-720, -570, 0, 345, 840}).Draw(t, "offset")
		log.offset = rollup.Offset(minutes)
		log.Zone = log.offset.Location()
	}
	return log
}

func (m *model) drawRecorded(t *rapid.T) *modelLog {
	if len(m.logs) == 0 {
		t.Skip("nothing is recorded yet")
	}
	ids := slices.SortedFunc(maps.Keys(m.logs), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return m.logs[rapid.SampledFrom(ids).Draw(t, "recorded")]
}

func (m *model) write(t *rapid.T, log command.Log) command.Status {
	outcome := m.recorder.Record(context.Background(), []command.Log{log})[0]
	require.NoError(t, outcome.Err)
	return outcome.Status
}

// work works through all chunks, each in a transaction.
func (m *model) work(t *rapid.T, work func(pgx.Tx, rebuild.Part) (rebuild.Chunk, error)) {
	for part := new(rebuild.Whole()); part != nil; {
		require.NoError(t, pgx.BeginFunc(context.Background(), m.pool, func(tx pgx.Tx) error {
			chunk, err := work(tx, *part)
			part = chunk.Rest
			return err
		}))
	}
}
