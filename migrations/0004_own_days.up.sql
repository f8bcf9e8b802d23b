-- Days are the learner's own: a log has the offset of the learner's clock from UTC, in
-- minutes, and a period is the date that this clock showed. A log that was voided keeps
-- its row, so that its request id stays taken.
--
-- If somebody has done the slow parts before, as docs/operations.md says ("Upgrading a
-- large database"), this finds them done.

-- Both tables, in the order in which everybody else locks them. A statement that waits
-- for a lock with a snapshot, as ALTER TABLE does, could deadlock with CREATE INDEX
-- CONCURRENTLY.
LOCK TABLE learning_log, learning_log_aggregates;

-- Adding these columns rewrites nothing, as every old row gets the same value. For the
-- same reason the constraints need no look at the old rows.
ALTER TABLE learning_log
    ADD COLUMN IF NOT EXISTS utc_offset   smallint NOT NULL DEFAULT 0,
    -- Whether the client said the offset or the zone. Only the others can be re-zoned.
    ADD COLUMN IF NOT EXISTS offset_given boolean  NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS voided_at    timestamptz,
    -- When the log was last voided or re-zoned. NULL: never.
    ADD COLUMN IF NOT EXISTS changed_at   timestamptz;
ALTER TABLE learning_log
    DROP CONSTRAINT IF EXISTS learning_log_utc_offset_check,
    ADD CONSTRAINT learning_log_utc_offset_check
        CHECK (utc_offset BETWEEN -720 AND 840) NOT VALID,
    DROP CONSTRAINT IF EXISTS learning_log_changed_at_check,
    ADD CONSTRAINT learning_log_changed_at_check
        CHECK (voided_at IS NULL OR changed_at IS NOT NULL AND changed_at >= voided_at) NOT VALID;

-- CREATE INDEX IF NOT EXISTS takes an invalid index for one that exists. CREATE INDEX
-- CONCURRENTLY leaves such an index if it is interrupted.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['learning_log_counted_idx', 'learning_log_voided_idx', 'learning_log_changed_at_idx'] LOOP
        IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(name) AND NOT indisvalid) THEN
            EXECUTE format('DROP INDEX %I', name);
        END IF;
    END LOOP;
END $$;
-- The logs of a user that count, in the order of time. A comparison reads this index
-- alone, and never the table. The logs that don't count are few, and so are those that
-- have changed.
CREATE INDEX IF NOT EXISTS learning_log_counted_idx
    ON learning_log (user_id, "timestamp") INCLUDE (word_count, utc_offset) WHERE voided_at IS NULL;
CREATE INDEX IF NOT EXISTS learning_log_voided_idx
    ON learning_log (user_id, "timestamp") WHERE voided_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS learning_log_changed_at_idx
    ON learning_log (changed_at) WHERE changed_at IS NOT NULL;
DROP INDEX IF EXISTS learning_log_user_id_timestamp_idx;

-- Periods become dates; all of them were UTC's. Granularities become an enumeration,
-- so that a process of an older version, which knows neither offsets nor voided logs,
-- can't write rollups any more: PostgreSQL refuses its statements as a whole.
DO $$
BEGIN
    IF to_regtype('learning_log_granularity') IS NULL THEN
        CREATE TYPE learning_log_granularity AS ENUM ('day', 'week', 'month');
    END IF;
    IF (SELECT atttypid = 'date'::regtype FROM pg_attribute
        WHERE attrelid = 'learning_log_aggregates'::regclass AND attname = 'period') THEN
        RETURN; -- it was done before
    END IF;

    -- The prepared table takes the place of the old one. Its comment says that nothing
    -- is missing in it, and the two triggers kept it so.
    IF to_regclass('learning_log_aggregates_prepared') IS NOT NULL THEN
        IF obj_description('learning_log_aggregates_prepared'::regclass, 'pg_class') IS DISTINCT FROM 'complete'
            OR (SELECT count(*) <> 2 FROM pg_trigger
                WHERE tgrelid = 'learning_log_aggregates'::regclass AND tgenabled = 'O'
                  AND tgfoid = to_regproc('learning_log_aggregates_prepare')) THEN
            RAISE EXCEPTION 'the table learning_log_aggregates_prepared is not complete: '
                'complete it or drop it, as docs/operations.md says about upgrading a large database'
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        DROP TABLE learning_log_aggregates;
        DROP FUNCTION learning_log_aggregates_prepare();
        ALTER TABLE learning_log_aggregates_prepared RENAME TO learning_log_aggregates;
        ALTER INDEX learning_log_aggregates_prepared_pkey RENAME TO learning_log_aggregates_pkey;
        ALTER INDEX learning_log_aggregates_prepared_period_idx RENAME TO learning_log_aggregates_period_idx;
        COMMENT ON TABLE learning_log_aggregates IS NULL;
        RETURN;
    END IF;

    -- Rows at other times of the day are drift, which nobody could read. They could
    -- get the date of a row that is right.
    DELETE FROM learning_log_aggregates WHERE period <> date_trunc('day', period, 'UTC');
    ALTER TABLE learning_log_aggregates
        DROP CONSTRAINT IF EXISTS learning_log_aggregates_granularity_check,
        DROP CONSTRAINT IF EXISTS learning_log_aggregates_period_check;
    ALTER TABLE learning_log_aggregates -- this rewrites the table
        ALTER COLUMN granularity TYPE learning_log_granularity USING granularity::learning_log_granularity,
        ALTER COLUMN period TYPE date USING (period AT TIME ZONE 'UTC')::date;
END $$;
ALTER TABLE learning_log_aggregates
    DROP CONSTRAINT IF EXISTS learning_log_aggregates_period_check,
    ADD CONSTRAINT learning_log_aggregates_period_check
        CHECK (period BETWEEN '0001-01-01 BC' AND '9999-12-31') NOT VALID;
CREATE INDEX IF NOT EXISTS learning_log_aggregates_period_idx
    ON learning_log_aggregates USING brin (period) WITH (autosummarize = on);
