-- Before this version, the rollups were made from logs alone. So this refuses to go back
-- while there are sealed days: the next rebuild would take them off the totals. And nothing
-- was refused because it is old. So this refuses once logs were purged, even if all of them
-- were voided: what is sent again would count.
DO $$
BEGIN
    IF to_regclass('learning_log_sealed_days') IS NOT NULL THEN
        LOCK TABLE learning_log_sealed_days;
        IF (SELECT count(*) FROM learning_log_sealed_days) > 0 THEN
            RAISE EXCEPTION 'there are sealed days (%), of logs that were purged, and the older version would not know them: '
                'its rebuilds would take them off the totals. Keep this version, or restore a back-up from before the first purge. '
                'If these totals may be lost: DELETE FROM learning_log_sealed_days, and rebuild afterwards',
                (SELECT count(*) FROM learning_log_sealed_days)
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END IF;
    IF to_regclass('learning_log_horizon') IS NOT NULL THEN
        LOCK TABLE learning_log_horizon;
        IF EXISTS (SELECT FROM learning_log_horizon WHERE purged_before IS NOT NULL) THEN
            RAISE EXCEPTION 'logs were purged (before %), and the older version would record and count them when they are sent again. '
                'Keep this version, or restore a back-up from before the first purge. '
                'If that may happen: DELETE FROM learning_log_horizon',
                (SELECT purged_before FROM learning_log_horizon)
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END IF;
    IF to_regclass('learning_log') IS NOT NULL THEN
        ALTER TABLE learning_log RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
    END IF;
END $$;
DROP TABLE IF EXISTS learning_log_sealed_days;
DROP TABLE IF EXISTS learning_log_horizon;
