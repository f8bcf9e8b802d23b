-- Older versions would record what the devices of erased users still have. So this refuses
-- to go back while there are any.
DO $$
BEGIN
    IF to_regclass('learninglog_erased_users') IS NOT NULL THEN
        IF EXISTS (SELECT FROM learninglog_erased_users) THEN
            RAISE EXCEPTION 'users were erased (%), and the older version would record what their devices send again',
                (SELECT count(*) FROM learninglog_erased_users)
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END IF;
END $$;
DROP TABLE IF EXISTS learninglog_erased_users;
