package sharding_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/postgres"
	"learninglog/internal/sharding"
	"learninglog/learning"
	"learninglog/query"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// useEverything does everything that sends statements about logs, sealed days and rollups:
// through the nodes, and where these can't be reached.
func (n *notebook) useEverything(t *testing.T) {
	t.Helper()
	users := make([]uuid.UUID, 24) // in all shards
	for i := range users {
		users[i] = uuid.New()
	}
	_, err := query.NewReader(n.coordinator, time.UTC).HasLogs(t.Context()) // there are none yet
	require.NoError(t, err)
	for _, nodes := range []*sharding.Nodes{n.nodes, n.unreachable} {
		n.record(t, nodes, users)
		n.query(t, nodes, users[0])
	}
	jobs, err := rebuild.NewJobs(n.coordinator, rebuild.Config{
		Schema: postgres.RiverSchema, ChunkLogs: chunkLogs, Logger: slog.New(slog.DiscardHandler),
		SettleTime: time.Millisecond, EraseSettleTime: time.Millisecond,
	})
	require.NoError(t, err)
	require.NoError(t, jobs.Start(t.Context()))
	n.rebuild(t, jobs, users)
	n.keepLess(t, jobs, users)
	require.NoError(t, jobs.Stop(t.Context()))
}

// work has a job done.
func work(t *testing.T, jobs *rebuild.Jobs, args rebuild.Args) {
	t.Helper()
	inserted, err := jobs.Client().Insert(t.Context(), args, nil)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		job, err := jobs.Get(t.Context(), inserted.Job.ID)
		return err == nil && job.State == rebuild.Completed
	}, time.Minute, 10*time.Millisecond, "%+v", args)
}

// chunkLogs is how many logs a chunk of a rebuild has. The first user has more.
const chunkLogs = 50

// record records, voids and replaces logs of the last weeks, and changes settings.
func (n *notebook) record(t *testing.T, nodes *sharding.Nodes, users []uuid.UUID) {
	t.Helper()
	recorder := command.NewRecorder(n.coordinator, command.Config{Nodes: nodes, Lanes: 1})
	check := func(outcomes []command.Outcome) {
		for _, outcome := range outcomes {
			require.NoError(t, outcome.Err)
			require.Empty(t, outcome.Errors)
		}
	}
	newLog := func(user uuid.UUID, hours int) command.Log {
		return command.Log{
			RequestID: uuid.New(), UserID: user, WordCount: hours, Timestamp: time.Now().Add(time.Duration(-hours) * time.Hour),
		}
	}
	var logs, corrected []command.Log
	var taken []command.Target
	for i, user := range users {
		voided := newLog(user, i)
		voided.VoidedAt = time.Now()
		logs = append(logs, newLog(user, i), newLog(user, 2*i), voided)
		taken = append(taken, command.Target{UserID: user, RequestID: logs[len(logs)-3].RequestID})
		corrected = append(corrected, newLog(user, 3*i))
		corrected[i].Replaces = logs[len(logs)-2].RequestID
	}
	for hours := range 2 * chunkLogs {
		logs = append(logs, newLog(users[0], 10*hours))
	}
	check(recorder.Record(t.Context(), logs))
	check(recorder.Record(t.Context(), logs))
	check(recorder.Void(t.Context(), taken))
	check(recorder.Void(t.Context(), taken))
	check(recorder.Record(t.Context(), corrected))
	for _, user := range users {
		require.NoError(t, recorder.ChangeSettings(t.Context(), user, learning.Settings{DisplayName: "Mia", FreezeDays: 1}))
	}
	require.NoError(t, recorder.ChangeSettings(t.Context(), users[len(users)-1], learning.Settings{}))
	require.NoError(t, recorder.Close(t.Context()))
}

// query asks everything that can be asked.
func (n *notebook) query(t *testing.T, nodes *sharding.Nodes, user uuid.UUID) {
	t.Helper()
	reader := query.NewReader(n.coordinator, time.UTC).WithNodes(func(user uuid.UUID) query.Pool { return nodes.At(user) })
	to := rollup.DateOf(time.Now())
	from := to - 30

	clock, err := reader.Clock(t.Context(), user, time.Now())
	require.NoError(t, err)
	for _, clock := range []query.Clock{clock, {Now: time.Now()}} {
		for _, granularity := range append(rollup.Granularities(), rollup.Year, rollup.Total) {
			_, err = reader.Summary(t.Context(), query.SummaryRequest{UserID: user, Granularity: granularity, Clock: clock, Compare: true})
			require.NoError(t, err)
		}
		_, err = reader.Streaks(t.Context(), user, clock, nil)
		require.NoError(t, err)
	}
	_, err = reader.Learner(t.Context(), user, time.Now())
	require.NoError(t, err)
	_, err = reader.Settings(t.Context(), user)
	require.NoError(t, err)
	for _, withVoided := range []bool{false, true} {
		request := query.LogsRequest{UserID: user, WithVoided: withVoided, Limit: 3}
		page, err := reader.Logs(t.Context(), request)
		require.NoError(t, err)
		request.From, request.To, request.After = &from, &to, page.Next
		_, _, err = reader.HoursAndLogs(t.Context(), request)
		require.NoError(t, err)
		_, err = reader.Log(t.Context(), user, page.Logs[0].RequestID)
		require.NoError(t, err)
	}
	_, err = reader.EverybodyPerDay(t.Context(), from, to)
	require.NoError(t, err)
	_, err = reader.ActiveUsers(t.Context(), time.Now(), 5)
	require.NoError(t, err)
	_, err = reader.HasLogs(t.Context())
	require.NoError(t, err)
}

// rebuild does rebuilds, verifications and re-zones of all kinds. There is something to
// repair for each.
func (n *notebook) rebuild(t *testing.T, jobs *rebuild.Jobs, users []uuid.UUID) {
	t.Helper()
	since, to := time.Now().Add(-time.Hour), rollup.DateOf(time.Now())
	from := to - 30
	for _, args := range []rebuild.Args{
		{DryRun: true},
		{Workers: 2},
		{Scope: rebuild.Scope{Users: users[:9]}},
		{Scope: rebuild.Scope{From: &from, To: &to}},
		{Scope: rebuild.Scope{RecordedSince: &since}},
		{Scope: rebuild.Scope{RecordedSince: &since, Users: users[:9]}},
		{Routine: true, SampleLogs: chunkLogs, DryRun: true},
		{Routine: true}, // of those whom the last one has left, and no others
		{TimeZone: "Asia/Tokyo"},
		{TimeZone: "Europe/Berlin", Scope: rebuild.Scope{Users: users[:9], From: &from, To: &to}},
	} {
		n.corrupt(t, users[0])
		work(t, jobs, args)
	}
}

// keepLess purges, restores sealed days, exports and erases. Only the first user has logs
// that are old enough for the purge.
func (n *notebook) keepLess(t *testing.T, jobs *rebuild.Jobs, users []uuid.UUID) {
	t.Helper()
	const days = 7
	work(t, jobs, rebuild.Args{}) // logs of users who have drifted rows aren't purged
	work(t, jobs, rebuild.Args{PurgeOlderThanDays: days, DryRun: true})
	work(t, jobs, rebuild.Args{PurgeOlderThanDays: days})
	outcomes, err := jobs.RestoreSealedDays(t.Context(), []rebuild.SealedDay{
		{UserID: users[0], Day: rollup.DateOf(time.Now()) - 2*days, Sums: rollup.Sums{TotalWordCount: 1, EntryCount: 1}},
		{UserID: users[1], Day: 0, Sums: rollup.Sums{TotalWordCount: 1, EntryCount: 1}},
	})
	require.NoError(t, err)
	require.Equal(t, []rebuild.SealedDayOutcome{rebuild.DayConflicts, rebuild.DayRestored}, outcomes)

	require.NoError(t, query.NewReader(n.coordinator, time.UTC).Export(t.Context(), users[0], query.Export{
		Begin: func(contents query.Contents) error {
			require.Positive(t, contents.SealedDays)
			return nil
		},
		Settings:  func(query.ExportedSettings) error { return nil },
		SealedDay: func(query.SealedDay) error { return nil },
		Log:       func(query.ExportedLog) error { return nil },
	}))

	requested, err := jobs.Erase(t.Context(), users[:2])
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		job, err := jobs.Get(t.Context(), requested.ID)
		return err == nil && job.State == rebuild.Completed
	}, time.Minute, 10*time.Millisecond)
}

// corrupt makes rollups wrong: all of them, one beyond repair by adding a bigint, and one
// that shouldn't be there.
func (n *notebook) corrupt(t *testing.T, user uuid.UUID) {
	t.Helper()
	for sql, arguments := range map[string][]any{
		`UPDATE learning_log_aggregates SET entry_count = entry_count + 1`:               nil,
		`UPDATE learning_log_aggregates SET total_word_count = -9e18 WHERE user_id = $1`: {user},
		`INSERT INTO learning_log_aggregates VALUES ($1, 'day', '2001-01-01', 0, 0)`:     {uuid.New()},
	} {
		_, err := n.untraced.Exec(t.Context(), sql, arguments...)
		require.NoError(t, err)
	}
}
