-- Older versions don't know the settings of learners. So this refuses to go back while there
-- are any.
DO $$
BEGIN
    IF to_regclass('learning_log_settings') IS NOT NULL THEN
        LOCK TABLE learning_log_settings;
        IF (SELECT count(*) FROM learning_log_settings) > 0 THEN
            RAISE EXCEPTION 'learners have settings (%), which the older version would not know. '
                'If these may be lost: DELETE FROM learning_log_settings', (SELECT count(*) FROM learning_log_settings)
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END IF;
END $$;
DROP TABLE IF EXISTS learning_log_settings;
