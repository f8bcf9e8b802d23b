-- Older versions ask nobody who they are. So this refuses to go back while there are keys
-- that are not revoked, or people who are logged in: what is theirs would be open to
-- everybody.
DO $$
BEGIN
    IF to_regclass('learninglog_keys') IS NOT NULL THEN
        IF EXISTS (SELECT FROM learninglog_keys WHERE revoked_at IS NULL) THEN
            RAISE EXCEPTION 'there are keys that are not revoked (%), and the older version would serve whoever has none',
                (SELECT count(*) FROM learninglog_keys WHERE revoked_at IS NULL)
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END IF;
    IF to_regclass('learninglog_sessions') IS NOT NULL THEN
        IF EXISTS (SELECT FROM learninglog_sessions WHERE expires_at > now()) THEN
            RAISE EXCEPTION 'people are logged in (%), and the older version would serve whoever isn''t: '
                'DELETE FROM learninglog_sessions logs them out', (SELECT count(*) FROM learninglog_sessions WHERE expires_at > now())
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END IF;
END $$;
DROP TABLE IF EXISTS learninglog_sessions;
DROP TABLE IF EXISTS learninglog_keys;
DROP TABLE IF EXISTS learninglog_audit;
