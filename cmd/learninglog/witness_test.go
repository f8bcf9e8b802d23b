package main_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// watchPurges makes PostgreSQL keep a copy of each log that a purge deletes, in the same
// commit. So it can be told which logs were purged, and what they must have come to.
func (i *installation) watchPurges() {
	i.execute(`
		CREATE SCHEMA witness;
		CREATE TABLE witness.purged (LIKE public.learning_log);
		CREATE VIEW witness.recorded AS TABLE public.learning_log UNION ALL TABLE witness.purged;
		CREATE FUNCTION witness.note_purged() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
		    INSERT INTO witness.purged
		    SELECT * FROM gone WHERE user_id NOT IN (SELECT user_id FROM public.learninglog_erased_users);
		    RETURN NULL;
		END $$;
		CREATE TRIGGER purged AFTER DELETE ON public.learning_log REFERENCING OLD TABLE AS gone
		FOR EACH STATEMENT EXECUTE FUNCTION witness.note_purged()`)
	i.load.recorded = "witness.recorded"
}

// purgedLogs returns how many logs were purged, and the time of the latest, in seconds.
func purgedLogs(t testing.TB, pool *pgxpool.Pool) (purged int, latest int64) {
	t.Helper()
	const query = `SELECT count(*), coalesce(extract(epoch FROM max("timestamp")), 0)::bigint FROM witness.purged`
	require.NoError(t, pool.QueryRow(context.Background(), query).Scan(&purged, &latest))
	return purged, latest
}

// missealed returns a line for each sealed day that isn't what the logs of the learner and the
// date came to that were purged, in one snapshot.
func missealed(t testing.TB, pool *pgxpool.Pool) []string {
	t.Helper()
	return texts(t, pool, `
		SELECT format('%s %s: sealed (%s words, %s entries), purged (%s words, %s entries)',
		              user_id, day, total_word_count, entry_count, words, entries)
		FROM learning_log_sealed_days
		FULL JOIN (
		    SELECT user_id, (("timestamp" AT TIME ZONE 'UTC') + utc_offset * interval '1 minute')::date AS day,
		           sum(word_count) AS words, count(*) AS entries
		    FROM witness.purged
		    WHERE voided_at IS NULL
		    GROUP BY 1, 2
		) AS purged USING (user_id, day)
		WHERE (total_word_count, entry_count) IS DISTINCT FROM (words, entries)
		  AND user_id NOT IN (SELECT user_id FROM learninglog_erased_users)`)
}

// leftOfErased returns the learners who are said to be erased, but of whom something is there.
func leftOfErased(t testing.TB, pool *pgxpool.Pool) []string {
	t.Helper()
	return texts(t, pool, `
		SELECT DISTINCT user_id::text
		FROM learninglog_erased_users
		JOIN (
		    SELECT user_id FROM learning_log
		    UNION ALL SELECT user_id FROM learning_log_sealed_days
		    UNION ALL SELECT user_id FROM learning_log_aggregates
		) AS there USING (user_id)
		WHERE done_at IS NOT NULL`)
}

func texts(t testing.TB, pool *pgxpool.Pool, query string) []string {
	t.Helper()
	rows, err := pool.Query(context.Background(), query)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return found
}
