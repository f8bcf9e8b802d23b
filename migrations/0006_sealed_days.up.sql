-- What logs that were purged came to, for each learner and date. The rollups are made from
-- the logs that count and from these. A purge adds to them what it deletes, in the same
-- statement.
CREATE TABLE IF NOT EXISTS learning_log_sealed_days (
    user_id          uuid   NOT NULL,
    day              date   NOT NULL CHECK (day BETWEEN '0001-01-01 BC' AND '9999-12-31'),
    total_word_count bigint NOT NULL CHECK (total_word_count >= 0),
    entry_count      bigint NOT NULL CHECK (entry_count > 0),
    PRIMARY KEY (user_id, day)
);

-- The horizon. There is no row until logs are refused because they are too old.
CREATE TABLE IF NOT EXISTS learning_log_horizon (
    only_row       boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Logs with timestamps before this are not recorded. It is only ever raised.
    refused_before timestamptz NOT NULL
        CHECK (refused_before >= '0001-01-01 00:00:00+00' AND refused_before < '9999-01-01 00:00:00+00'),
    raised_at      timestamptz NOT NULL,
    -- Logs before this were purged, or are about to be. NULL: none.
    purged_before  timestamptz
        CHECK (purged_before >= '0001-01-01 00:00:00+00' AND purged_before <= refused_before)
);

-- By default, autovacuum waits until a fifth of the table is dead. That would take more than
-- two months of daily purges that keep 400 days, and as much space.
-- (Citus passes on the text that it is given, which must be this statement alone.)
DO $$ BEGIN
    EXECUTE 'ALTER TABLE learning_log SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000)';
END $$;

-- Where the logs are distributed over a cluster, the sealed days of a learner belong to the
-- same shard.
DO $$
BEGIN
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'learning_log'::regclass)
            AND NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'learning_log_sealed_days'::regclass) THEN
            PERFORM create_distributed_table('learning_log_sealed_days', 'user_id', colocate_with => 'learning_log');
        END IF;
    END IF;
END $$;
