-- For the sums of everybody in the latest days. Rows are made about in the order of
-- their periods, so a few bytes for every megabyte tell where to look.
CREATE INDEX IF NOT EXISTS learning_log_aggregates_period_idx
    ON learning_log_aggregates USING brin (period) WITH (autosummarize = on);
