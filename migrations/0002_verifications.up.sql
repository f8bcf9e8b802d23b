-- Finds the users for whom logs were recorded lately. Logs are appended, so a BRIN
-- index with a few bytes per thousands of logs is enough. A B-tree costs writers the
-- same time, but is hundreds of times as large and is written to the WAL by every
-- write.
CREATE INDEX IF NOT EXISTS learning_log_recorded_at_idx
    ON learning_log USING brin (recorded_at) WITH (autosummarize = on);

-- The result of the last verification: one row for the routines, and one for
-- verifications of everything, including rebuilds.
CREATE TABLE IF NOT EXISTS learning_log_verifications (
    verification  text        PRIMARY KEY CHECK (verification IN ('routine', 'everything')),
    rebuild_id    bigint      NOT NULL,
    began_at      timestamptz NOT NULL,
    finished_at   timestamptz NOT NULL,
    users         bigint      NOT NULL,
    logs          bigint      NOT NULL,
    rows_drifted  bigint      NOT NULL,
    rows_repaired bigint      NOT NULL,
    -- The users whom the next routine verifies again, and the first user of its
    -- sample.
    drifted_users uuid[]      NOT NULL,
    next_user     uuid        NOT NULL
);
