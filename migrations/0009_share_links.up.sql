-- Links by which others see the page of a learner. As with keys, the secret itself is nowhere.
-- A row is deleted when the link is revoked, and some time after it has expired.
CREATE TABLE IF NOT EXISTS learninglog_share_links (
    link_id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash         bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    user_id      uuid        NOT NULL,
    name         text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz, -- not to the minute
    CHECK (expires_at > created_at AND expires_at - created_at <= interval '367 days')
);
CREATE INDEX IF NOT EXISTS learninglog_share_links_user_id_idx ON learninglog_share_links (user_id);
CREATE INDEX IF NOT EXISTS learninglog_share_links_expires_at_idx ON learninglog_share_links (expires_at);
