-- Older versions ask nobody who they are, so nothing of this is any use to them.
DROP TABLE IF EXISTS learninglog_sessions;
DROP TABLE IF EXISTS learninglog_keys;
DROP TABLE IF EXISTS learninglog_audit;
