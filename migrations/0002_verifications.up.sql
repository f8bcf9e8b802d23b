-- Of whom logs were recorded lately. Logs are appended, so a few bytes for every
-- thousands of them tell. A B-tree takes writers as long, but is hundreds of times
-- as large, and in the WAL of every write.
CREATE INDEX IF NOT EXISTS learning_log_recorded_at_idx
    ON learning_log USING brin (recorded_at) WITH (autosummarize = on);

-- What was verified last, and what was found then: a row for the routine
-- verifications and one for those of everything, rebuilds among them.
CREATE TABLE IF NOT EXISTS learning_log_verifications (
    verification  text        PRIMARY KEY CHECK (verification IN ('routine', 'everything')),
    rebuild_id    bigint      NOT NULL,
    began_at      timestamptz NOT NULL,
    finished_at   timestamptz NOT NULL,
    users         bigint      NOT NULL,
    logs          bigint      NOT NULL,
    rows_drifted  bigint      NOT NULL,
    rows_repaired bigint      NOT NULL,
    -- Whom the next routine looks at again, and with whom its sample begins.
    drifted_users uuid[]      NOT NULL,
    next_user     uuid        NOT NULL
);
