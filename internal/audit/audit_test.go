package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/access"
	"learninglog/internal/audit"
	"learninglog/internal/caller"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/learning"
	"learninglog/rollup/rebuild"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// records returns what was done, newest first, as "actor: action: subject".
func records(t *testing.T, trail *audit.Trail) []string {
	t.Helper()
	page, err := trail.List(t.Context(), nil, audit.MaxPage)
	require.NoError(t, err)
	texts := make([]string, len(page.Records))
	for i, r := range page.Records {
		texts[i] = fmt.Sprintf("%s: %s: %s", r.Actor, r.Action, r.Subject)
	}
	return texts
}

func TestItIsRecordedWhoDidWhat(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	var log bytes.Buffer
	trail := audit.New(pool, slog.New(slog.NewTextHandler(&log, nil)))
	known := access.With(t.Context(), &access.Identity{Name: "key 3 (backend)"})
	stranger := caller.With(t.Context(), new(caller.At(&net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 50_000})))
	gone, leave := context.WithCancel(known)
	leave()

	trail.Record(known, audit.RebuildRequested, "rebuild 7 of everybody")
	trail.Record(stranger, audit.QueueResumed, "queue default")
	trail.Record(gone, audit.RebuildCancelled, "rebuild 7 of everybody")
	audit.NewOfCommand(pool, quiet()).Record(t.Context(), audit.KeyRevoked, "key 3 (backend)")

	got := records(t, trail)
	assert.Equal(t, []string{
		"key 3 (backend): rebuild.cancelled: rebuild 7 of everybody",
		"somebody at 192.0.2.7: queue.resumed: queue default",
		"key 3 (backend): rebuild.requested: rebuild 7 of everybody",
	}, got[1:], "the newest first, also of a client that is gone")
	assert.Regexp(t, `^command line \(.+\): key.revoked: key 3 \(backend\)$`, got[0])
	assert.Contains(t, log.String(), `level=INFO msg=done actor="somebody at 192.0.2.7" action=queue.resumed subject="queue default"`)
}

// Names may be longer than the table takes, and whatever clients make of them.
func TestRecordsAreBoundedInWholeCharacters(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	trail := audit.New(pool, quiet())
	long := access.With(t.Context(), &access.Identity{Name: strings.Repeat("学", 301)})

	trail.Record(long, audit.QueuePaused, strings.Repeat("é", 501))
	trail.Record(long, audit.QueuePaused, strings.Repeat("é", 500))
	trail.Record(long, audit.QueuePaused, "a\x00b\xffc\nd")

	page, err := trail.List(t.Context(), nil, 10)
	require.NoError(t, err)
	require.Len(t, page.Records, 3)
	assert.Equal(t, "a\ufffdb\ufffdc\ufffdd", page.Records[0].Subject)
	assert.Equal(t, strings.Repeat("é", 500), page.Records[1].Subject)
	assert.Equal(t, strings.Repeat("é", 499)+"…", page.Records[2].Subject)
	assert.Equal(t, 300, utf8.RuneCountInString(page.Records[2].Actor))
}

func TestWhatCannotBeRecordedIsInTheLog(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	pool.Close()
	var log bytes.Buffer

	audit.New(pool, slog.New(slog.NewTextHandler(&log, nil))).Record(t.Context(), audit.LogsVoided, "3 logs")

	assert.Regexp(t, `level=ERROR msg="it can't be recorded who did something" actor="somebody at local" action=logs.voided subject="3 logs" error=`, log.String())
}

func TestPagesOfRecordsLeaveNothingOut(t *testing.T) {
	t.Parallel()
	trail := audit.New(pgtest.Pool(t), quiet())
	for i := range 7 {
		trail.Record(t.Context(), audit.QueueResumed, fmt.Sprint(i))
	}
	var got []string
	var after *audit.Cursor
	for pages := 0; pages == 0 || after != nil; pages++ {
		page, err := trail.List(t.Context(), after, 3)
		require.NoError(t, err)
		for _, r := range page.Records {
			got = append(got, r.Subject)
		}
		trail.Record(t.Context(), audit.QueueResumed, "meanwhile")
		if after = page.Next; after != nil {
			parsed, err := audit.ParseCursor(after.String())
			require.NoError(t, err)
			assert.Equal(t, *after, parsed)
		}
	}
	assert.Equal(t, []string{"6", "5", "4", "3", "2", "1", "0"}, got)
	for _, wrong := range []string{"", "0", "-1", "07", "+7", "x", "9223372036854775808"} {
		_, err := audit.ParseCursor(wrong)
		assert.ErrorIs(t, err, audit.ErrBadCursor, wrong)
	}
}

func TestOldRecordsAreDeleted(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	trail := audit.New(pool, quiet())
	addOld(t, pool, 2500)
	trail.Record(t.Context(), audit.QueueResumed, "young")

	// Another process deletes some of them.
	other, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = other.Exec(t.Context(), `DELETE FROM learninglog_audit WHERE record_id <= 10`)
	require.NoError(t, err)
	deleted, err := trail.DeleteOlder(t.Context(), 24*time.Hour)
	require.NoError(t, err)
	require.NoError(t, other.Commit(t.Context()))

	assert.EqualValues(t, 2490, deleted, "in several chunks, without waiting for the other")
	assert.Equal(t, []string{"somebody at local: queue.resumed: young"}, records(t, trail))
}

func TestOldRecordsAreDeletedUntilTheServiceStops(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	trail := audit.New(pool, quiet())
	addOld(t, pool, 3)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		trail.Keep(ctx, 24*time.Hour)
	}()
	require.Eventually(t, func() bool { return len(records(t, trail)) == 0 }, 30*time.Second, 10*time.Millisecond)
	stop()
	<-ended
}

func addOld(t *testing.T, pool *pgxpool.Pool, count int) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `
		INSERT INTO learninglog_audit (at, actor, action, subject)
		SELECT now() - interval '25 hours', 'key 1 (x)', 'queue.resumed', 'queue default' FROM generate_series(1, $1)`, count)
	require.NoError(t, err)
}

func TestWhatIsDoneToJobsIsRecorded(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	trail := audit.New(pool, quiet())
	own, err := rebuild.NewJobs(pool, rebuild.Config{Schema: postgres.RiverSchema, Logger: quiet()})
	require.NoError(t, err)
	jobs := audit.Jobs{Jobs: own, Trail: trail}
	user := uuid.New()
	request := func(args rebuild.Args) int64 {
		requested, err := jobs.Request(t.Context(), args)
		require.NoError(t, err)
		return requested.ID
	}

	_, err = jobs.CancelWaiting(t.Context())
	require.NoError(t, err)
	assert.Empty(t, records(t, trail), "none waited")
	first := request(rebuild.Args{})
	assert.Equal(t, first, request(rebuild.Args{}))
	second := request(rebuild.Args{DryRun: true, Scope: rebuild.Scope{Users: []uuid.UUID{user}}})
	third := request(rebuild.Args{TimeZone: "Asia/Tokyo", Scope: rebuild.Scope{Users: []uuid.UUID{user, uuid.New()}}})
	require.NoError(t, jobs.Cancel(t.Context(), first))
	require.NoError(t, jobs.Cancel(t.Context(), first), "it has ended")
	require.ErrorIs(t, jobs.Cancel(t.Context(), 77), rebuild.ErrNotFound)
	require.ErrorIs(t, jobs.Resume(t.Context(), "none"), rebuild.ErrNoQueue)
	_, err = jobs.CancelWaiting(t.Context())
	require.NoError(t, err)

	const somebody = "somebody at local: "
	assert.Equal(t, []string{
		somebody + "rebuilds.cancelled: all that waited: 2",
		somebody + fmt.Sprintf("rebuild.cancelled: rebuild %d of everybody", first),
		somebody + fmt.Sprintf("rezone.requested: re-zone %d of 2 users to Asia/Tokyo", third),
		somebody + fmt.Sprintf("rebuild.requested: verify %d of user %s", second, user),
		somebody + fmt.Sprintf("rebuild.requested: rebuild %d of everybody, which had been requested before", first),
		somebody + fmt.Sprintf("rebuild.requested: rebuild %d of everybody", first),
	}, records(t, trail))
}

func TestWhatIsDoneToKeysIsRecordedWithoutThem(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	var log bytes.Buffer
	trail := audit.New(pool, slog.New(slog.NewTextHandler(&log, nil)))
	keys := audit.Keys{KeyStore: access.NewKeys(pool), Trail: trail}
	learner := uuid.New()

	made, secret, err := keys.Create(t.Context(), access.NewKey{
		Name: "phone", Scopes: []access.Scope{access.WriteLogs, access.ReadLogs}, UserID: &learner,
	})
	require.NoError(t, err)
	_, rotated, err := keys.Rotate(t.Context(), made.ID, time.Hour)
	require.NoError(t, err)
	_, err = keys.Revoke(t.Context(), made.ID)
	require.NoError(t, err)
	_, _, err = keys.Rotate(t.Context(), made.ID, time.Hour)
	require.ErrorIs(t, err, access.ErrNotFound)
	_, err = keys.Revoke(t.Context(), 77)
	require.ErrorIs(t, err, access.ErrNotFound)

	of := ": logs:write, logs:read, of user " + learner.String()
	assert.Equal(t, []string{
		"somebody at local: key.revoked: key 1 (\"phone\")",
		"somebody at local: key.rotated: key 1, into key 2 (\"phone\")" + of,
		"somebody at local: key.created: key 1 (\"phone\")" + of,
	}, records(t, trail))
	for _, hidden := range []string{secret, rotated, made.Beginning} {
		assert.NotContains(t, log.String(), hidden)
	}
}

func TestACallThatTakesLogsBackIsOneRecord(t *testing.T) {
	t.Parallel()
	user, other := uuid.New(), uuid.New()
	voided := func(user uuid.UUID) command.Outcome {
		return command.Outcome{Status: command.Voided, Log: &learning.Log{UserID: user}}
	}
	before := command.Outcome{Status: command.AlreadyVoided, Log: &learning.Log{UserID: other}}
	for _, test := range []struct {
		outcomes []command.Outcome
		want     []string
	}{
		{nil, []string{}},
		{[]command.Outcome{before, {Status: command.Unknown}}, []string{}},
		{[]command.Outcome{before, voided(user)}, []string{"somebody at local: logs.voided: 1 log of user " + user.String()}},
		{[]command.Outcome{voided(user), voided(user)}, []string{"somebody at local: logs.voided: 2 logs of user " + user.String()}},
		{[]command.Outcome{voided(user), voided(other), voided(user)}, []string{"somebody at local: logs.voided: 3 logs of several users"}},
	} {
		trail := audit.New(pgtest.Pool(t), quiet())
		var call audit.Voided
		for _, outcome := range test.outcomes { // as a stream's, in several parts
			call.Add(outcome)
		}
		call.Record(t.Context(), trail)
		assert.Equal(t, test.want, records(t, trail))
	}
}
