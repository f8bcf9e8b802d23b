-- What learners have set of themselves: how they are called, how many words they want to
-- learn, and how many days they may miss. Who has set nothing has no row.
CREATE TABLE IF NOT EXISTS learning_log_settings (
    user_id      uuid        PRIMARY KEY,
    display_name text        CHECK (length(display_name) BETWEEN 1 AND 100 AND display_name !~ '[[:cntrl:]]'),
    goal_words   bigint      CHECK (goal_words > 0),
    goal_per     text        CHECK (goal_per IN ('day', 'week')),
    freeze_days  smallint    NOT NULL DEFAULT 0 CHECK (freeze_days BETWEEN 0 AND 7),
    changed_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((goal_words IS NULL) = (goal_per IS NULL))
);

-- Where the logs are distributed over a cluster, the settings of a learner belong to the same
-- shard.
DO $$
BEGIN
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'learning_log'::regclass)
            AND NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'learning_log_settings'::regclass) THEN
            PERFORM create_distributed_table('learning_log_settings', 'user_id', colocate_with => 'learning_log');
        END IF;
    END IF;
END $$;
