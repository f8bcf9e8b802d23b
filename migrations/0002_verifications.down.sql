DROP TABLE IF EXISTS learning_log_verifications;
DROP INDEX IF EXISTS learning_log_recorded_at_idx;
