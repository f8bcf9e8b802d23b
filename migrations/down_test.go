package migrations_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

func TestDownToVersion3AndUpAgainLosesNothing(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, 3))
	fillAsVersion3(t, pool)
	before, schema := contentOf(t, pool), schemaOf(t, pool)
	migrator := newMigrator(t, pool)
	require.NoError(t, migrator.Up(t.Context()))

	require.NoError(t, migrator.DownTo(t.Context(), 3))

	assert.Equal(t, before, contentOf(t, pool))
	assert.Equal(t, schema, schemaOf(t, pool), "everything is as it was")
	fillAsVersion3(t, pool) // it can be written again
	more := contentOf(t, pool)

	require.NoError(t, migrator.Up(t.Context()))

	assert.Equal(t, more, contentOf(t, pool))
	assert.Empty(t, pgtest.Drift(t, pool))
}

func TestDownRefusesToForgetWhatVersion3WouldNotKnow(t *testing.T) {
	t.Parallel()
	for name, log := range map[string]string{
		"an offset":                  `0001, 540, true, NULL, NULL`,
		"the service's offset":       `0002, 540, false, NULL, NULL`,
		"an offset that is UTC's":    `0003, 0, true, NULL, NULL`,
		"a voided log":               `0004, 0, false, now(), now()`,
		"a voided log of an offset":  `0005, -60, true, now(), now()`,
		"several versions in a step": `0006, 540, true, NULL, NULL`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Open(t, databaseOfVersion(t, 3))
			fillAsVersion3(t, pool)
			migrator := newMigrator(t, pool)
			require.NoError(t, migrator.Up(t.Context()))
			execute(t, pool, `
				INSERT INTO learning_log (word_count, request_id, user_id, "timestamp", utc_offset, offset_given, voided_at, changed_at)
				SELECT words, gen_random_uuid(), gen_random_uuid(), '2026-01-14Z', utc_offset, given, voided::timestamptz, changed::timestamptz
				FROM (VALUES (`+log+`)) AS v (words, utc_offset, given, voided, changed)`)
			before, schema := contentOf(t, pool), schemaOf(t, pool)
			version := 3
			if name == "several versions in a step" {
				version = 2
			}

			err := migrator.DownTo(t.Context(), version)

			require.ErrorContains(t, err, "and the older version would not know that")
			assert.NotContains(t, err.Error(), "LOCK TABLE", "the text of the migration is of no use")
			assert.Equal(t, before, contentOf(t, pool))
			assert.Equal(t, schema, schemaOf(t, pool))
			assert.NoError(t, migrator.Check(t.Context()), "the service goes on")
		})
	}
}

// A log with an offset is being recorded when the tables are about to change. It must
// not be acknowledged and then lose its offset.
func TestDownWaitsForLogsThatAreBeingRecorded(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, 4))
	migrator := newMigrator(t, pool)
	writer, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = writer.Exec(t.Context(), `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp", utc_offset, offset_given)
		VALUES (gen_random_uuid(), gen_random_uuid(), 7, '2026-01-14Z', 540, true)`)
	require.NoError(t, err)

	done := make(chan error, 1)
	go func() { done <- migrator.DownTo(context.Background(), 3) }()
	waitForLock(t, pool)
	require.NoError(t, writer.Commit(t.Context()))

	require.ErrorContains(t, <-done, "and the older version would not know that")
	assert.Equal(t, []string{"540"}, lines(t, pool, `SELECT utc_offset::text FROM learning_log`))
}

func TestDownAfterAnInterruption(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, state string }{
		{"of the way up", `UPDATE learninglog_schema_migrations SET dirty = true`},
		{"of the way down, before the commit", `UPDATE learninglog_schema_migrations SET version = 3, dirty = true`},
		{"of the way down, after the commit", "down"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Open(t, databaseOfVersion(t, 3))
			fillAsVersion3(t, pool)
			before, schema, migrator := contentOf(t, pool), schemaOf(t, pool), newMigrator(t, pool)
			require.NoError(t, migrator.Up(t.Context()))
			if test.state == "down" {
				require.NoError(t, migrator.DownTo(t.Context(), 3))
				test.state = `UPDATE learninglog_schema_migrations SET dirty = true`
			}
			execute(t, pool, test.state)

			require.NoError(t, migrator.DownTo(t.Context(), 3))

			assert.Equal(t, before, contentOf(t, pool))
			assert.Equal(t, schema, schemaOf(t, pool))
			versions, err := migrator.Versions(t.Context())
			require.NoError(t, err)
			assert.Equal(t, 3, versions.Schema)
			assert.False(t, versions.Interrupted)
		})
	}
}

func TestDownRemovesEverything(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]string{
		"with offsets and voided logs": `
			INSERT INTO learning_log (request_id, user_id, word_count, "timestamp", utc_offset, offset_given, voided_at, changed_at)
			VALUES (gen_random_uuid(), gen_random_uuid(), 7, '2026-01-14Z', 540, true, NULL, NULL),
			       (gen_random_uuid(), gen_random_uuid(), 8, '2026-01-14Z', 0, false, now(), now())`,
		"interrupted": `UPDATE learninglog_schema_migrations SET version = 2, dirty = true`,
		"again":       "down",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Open(t, pgtest.EmptyURL(t))
			migrator := newMigrator(t, pool)
			require.NoError(t, migrator.Up(t.Context()))
			if state == "down" {
				require.NoError(t, migrator.Down(t.Context()))
			} else {
				execute(t, pool, state)
			}

			require.NoError(t, migrator.Down(t.Context()))

			assert.Empty(t, withoutVersions(schemaOf(t, pool)))
			versions, err := migrator.Versions(t.Context())
			require.NoError(t, err)
			assert.Zero(t, versions.Schema)
			assert.Zero(t, versions.Queue)
			assert.False(t, versions.Interrupted)
			require.NoError(t, migrator.Up(t.Context()))
		})
	}
}

// Otherwise the next rebuild of version 5 would take their totals away.
func TestDownRefusesToForgetSealedDays(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, newest))
	migrator := newMigrator(t, pool)
	require.NoError(t, migrator.Up(t.Context()))
	execute(t, pool, `INSERT INTO learning_log_sealed_days VALUES (gen_random_uuid(), '2026-01-14', 7, 1)`)

	err := migrator.DownTo(t.Context(), 5)

	require.ErrorContains(t, err, "there are sealed days (1)")
	assert.Equal(t, []string{"7"}, lines(t, pool, `SELECT total_word_count::text FROM learning_log_sealed_days`))
	require.NoError(t, migrator.Check(t.Context()), "the service goes on")

	execute(t, pool, `DELETE FROM learning_log_sealed_days`)
	require.NoError(t, migrator.DownTo(t.Context(), 5))
	require.NoError(t, migrator.Up(t.Context()))
}

// Otherwise version 5 would record a voided log that was purged when it is sent again.
func TestDownRefusesToForgetThatLogsWerePurged(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, newest))
	migrator := newMigrator(t, pool)
	require.NoError(t, migrator.Up(t.Context()))
	execute(t, pool, `INSERT INTO learning_log_horizon VALUES (true, '2026-01-15Z', now(), '2026-01-14Z')`)

	err := migrator.DownTo(t.Context(), 5)

	require.ErrorContains(t, err, "logs were purged (before 2026-01-14")
	require.NoError(t, migrator.Check(t.Context()), "the service goes on")

	execute(t, pool, `UPDATE learning_log_horizon SET purged_before = NULL`)
	require.NoError(t, migrator.DownTo(t.Context(), 5), "what was only refused isn't recorded")
	require.NoError(t, migrator.Up(t.Context()))
}

func TestDownRefusesToForgetSettings(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, newest))
	migrator := newMigrator(t, pool)
	require.NoError(t, migrator.Up(t.Context()))
	execute(t, pool, `INSERT INTO learning_log_settings (user_id, display_name) VALUES (gen_random_uuid(), 'Mia')`)

	err := migrator.DownTo(t.Context(), 7)

	require.ErrorContains(t, err, "learners have settings (1)")
	assert.Equal(t, []string{"Mia"}, lines(t, pool, `SELECT display_name FROM learning_log_settings`))
	require.NoError(t, migrator.Check(t.Context()), "the service goes on")

	execute(t, pool, `DELETE FROM learning_log_settings`)
	require.NoError(t, migrator.DownTo(t.Context(), 7))
	assert.Equal(t, []string{"true"}, lines(t, pool, `SELECT (to_regclass('learning_log_settings') IS NULL)::text`))
	require.NoError(t, migrator.Up(t.Context()))
}

func TestTheSchemaRefusesImpossibleSettings(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, databaseOfVersion(t, newest))
	for _, impossible := range []string{
		`display_name = ''`, `display_name = repeat('x', 101)`, `display_name = E'a\nb'`, `freeze_days = 8`, `freeze_days = -1`,
		`freeze_days = NULL`, `goal_words = 5`, `goal_per = 'day'`, `goal_words = 0, goal_per = 'day'`, `goal_words = 5, goal_per = 'month'`,
	} {
		_, err := pool.Exec(t.Context(), `INSERT INTO learning_log_settings (user_id) VALUES (gen_random_uuid())`)
		require.NoError(t, err)
		_, err = pool.Exec(t.Context(), `UPDATE learning_log_settings SET `+impossible)
		refused, ok := errors.AsType[*pgconn.PgError](err)
		require.True(t, ok, impossible)
		assert.True(t, pgerrcode.IsIntegrityConstraintViolation(refused.Code), "%s: %s", impossible, refused)
	}
}
