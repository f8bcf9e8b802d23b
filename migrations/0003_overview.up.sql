-- For the sums of all users in the latest days. Rows are created roughly in the
-- order of their periods, so a BRIN index with a few bytes per megabyte is enough to
-- find them.
CREATE INDEX IF NOT EXISTS learning_log_aggregates_period_idx
    ON learning_log_aggregates USING brin (period) WITH (autosummarize = on);
