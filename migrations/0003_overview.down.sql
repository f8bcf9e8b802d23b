DROP INDEX IF EXISTS learning_log_aggregates_period_idx;
