-- Before this version, every log counted, and on UTC's days. So this refuses to go back
-- if there are logs that were voided or have an offset, even +00:00 if a client gave it.
--
-- It also removes what was prepared for this version where it never came.
DROP FUNCTION IF EXISTS learning_log_aggregates_prepare() CASCADE;
DROP TABLE IF EXISTS learning_log_aggregates_prepared;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = to_regclass('learning_log') AND attname = 'utc_offset' AND NOT attisdropped) THEN
        LOCK TABLE learning_log, learning_log_aggregates;
        IF EXISTS (SELECT FROM learning_log WHERE utc_offset <> 0 OR offset_given OR voided_at IS NOT NULL) THEN
            RAISE EXCEPTION 'there are learning logs that were voided (%), or whose offset from UTC is another than 0 '
                'or was given by a client (%), and the older version would not know that',
                (SELECT count(*) FROM learning_log WHERE voided_at IS NOT NULL),
                (SELECT count(*) FROM learning_log WHERE utc_offset <> 0 OR offset_given)
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        CREATE INDEX IF NOT EXISTS learning_log_user_id_timestamp_idx
            ON learning_log (user_id, "timestamp") INCLUDE (word_count);
        ALTER TABLE learning_log -- and the indexes and constraints of these columns
            DROP COLUMN utc_offset, DROP COLUMN offset_given, DROP COLUMN voided_at, DROP COLUMN changed_at;
    END IF;
    IF EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = to_regclass('learning_log_aggregates') AND attname = 'period'
                 AND atttypid = 'date'::regtype) THEN
        ALTER TABLE learning_log_aggregates
            DROP CONSTRAINT learning_log_aggregates_period_check;
        ALTER TABLE learning_log_aggregates -- this rewrites the table
            ALTER COLUMN granularity TYPE text USING granularity::text,
            ALTER COLUMN period TYPE timestamptz USING period::timestamp AT TIME ZONE 'UTC';
        ALTER TABLE learning_log_aggregates
            ADD CONSTRAINT learning_log_aggregates_granularity_check
                CHECK (granularity IN ('day', 'week', 'month')),
            ADD CONSTRAINT learning_log_aggregates_period_check
                CHECK (period >= '0001-01-01 00:00:00+00' AND period < '9999-01-01 00:00:00+00');
    END IF;
    DROP TYPE IF EXISTS learning_log_granularity;
END $$;
