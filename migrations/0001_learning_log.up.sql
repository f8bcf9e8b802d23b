-- What was learned. The request id is the client's: it makes a second post of
-- the same log a conflict instead of a second log.
CREATE TABLE IF NOT EXISTS learning_log (
    request_id  uuid        PRIMARY KEY,
    user_id     uuid        NOT NULL,
    word_count  integer     NOT NULL CHECK (word_count >= 0),
    "timestamp" timestamptz NOT NULL
        CHECK ("timestamp" >= '0001-01-01 00:00:00+00' AND "timestamp" < '9999-01-01 00:00:00+00'),
    recorded_at timestamptz NOT NULL DEFAULT now()
);

-- All logs of a user in time order; with the word count in it, a rebuild reads
-- this index and never the table.
CREATE INDEX IF NOT EXISTS learning_log_user_id_timestamp_idx
    ON learning_log (user_id, "timestamp") INCLUDE (word_count);

-- The rollup: one row per user, granularity and period, changed in the same
-- transaction as its logs. Differences, negative ones too, are upserted into
-- the sums, and PostgreSQL checks a proposed row before it looks for the
-- conflict: so the sums must not be CHECKed against zero.
CREATE TABLE IF NOT EXISTS learning_log_aggregates (
    user_id          uuid        NOT NULL,
    granularity      text        NOT NULL CHECK (granularity IN ('day', 'week', 'month')),
    period           timestamptz NOT NULL
        CHECK (period >= '0001-01-01 00:00:00+00' AND period < '9999-01-01 00:00:00+00'),
    total_word_count bigint      NOT NULL,
    entry_count      bigint      NOT NULL,
    PRIMARY KEY (user_id, granularity, period)
);
