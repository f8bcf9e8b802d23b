DROP TABLE IF EXISTS learning_log_aggregates;
DROP TABLE IF EXISTS learning_log;
