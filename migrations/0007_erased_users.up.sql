-- Whom the service has been told to forget. Nothing is recorded of them any more: this is
-- what refuses the late retries of their devices, so a row stays until it is taken back on
-- purpose.
CREATE TABLE IF NOT EXISTS learninglog_erased_users (
    user_id    uuid        PRIMARY KEY,
    erased_at  timestamptz NOT NULL DEFAULT now(),
    -- When what was there was deleted for the first time, and when nothing can be left.
    emptied_at timestamptz,
    done_at    timestamptz,
    CHECK (emptied_at >= erased_at AND done_at >= emptied_at AND (done_at IS NULL OR emptied_at IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS learninglog_erased_users_pending_idx
    ON learninglog_erased_users (erased_at, user_id) WHERE done_at IS NULL;
