-- Who may do what: keys of machines, logins of people, and a record of what they did.

-- Keys. The key itself is nowhere: it is random and long, so its SHA-256 tells nothing.
CREATE TABLE IF NOT EXISTS learninglog_keys (
    key_id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash            bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    beginning       text        NOT NULL CHECK (length(beginning) BETWEEN 4 AND 12), -- of the key, to recognise it
    name            text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    scopes          text[]      NOT NULL CHECK (cardinality(scopes) > 0 AND
                                                scopes <@ ARRAY['logs:write', 'logs:read', 'rebuilds', 'keys']),
    user_id         uuid, -- the only learner that it is for
    logs_per_second integer     CHECK (logs_per_second > 0),
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz,
    lifetime        interval, -- for how long it was created, for the one that replaces it
    revoked_at      timestamptz,
    last_used_at    timestamptz, -- not to the minute
    -- When anything but last_used_at was changed last. Services read what has changed.
    changed_at      timestamptz NOT NULL DEFAULT now(),
    CHECK (user_id IS NULL OR scopes <@ ARRAY['logs:write', 'logs:read'])
);
CREATE INDEX IF NOT EXISTS learninglog_keys_changed_at_idx ON learninglog_keys (changed_at);

-- People who are logged in. The cookie of a session is as random as a key.
CREATE TABLE IF NOT EXISTS learninglog_sessions (
    hash       bytea       PRIMARY KEY CHECK (octet_length(hash) = 32),
    -- Of a session that was begun with a key: it may do what the key may, for as long.
    key_id     bigint      REFERENCES learninglog_keys ON DELETE CASCADE,
    -- Of a person: the provider that said who they are. It is worth nothing where people
    -- log in elsewhere, or not at all.
    issuer     text        CHECK (issuer <> ''),
    -- Of a learner.
    user_id    uuid,
    -- Of an operator: what the issuer calls them, and what people do.
    subject    text        CHECK (length(subject) BETWEEN 1 AND 255),
    name       text        CHECK (length(name) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CHECK (num_nonnulls(key_id, user_id, subject) = 1 AND (key_id IS NULL) = (issuer IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS learninglog_sessions_key_id_idx ON learninglog_sessions (key_id);
CREATE INDEX IF NOT EXISTS learninglog_sessions_user_id_idx ON learninglog_sessions (user_id);
CREATE INDEX IF NOT EXISTS learninglog_sessions_subject_idx ON learninglog_sessions (subject);
CREATE INDEX IF NOT EXISTS learninglog_sessions_expires_at_idx ON learninglog_sessions (expires_at);

-- What was done by whom, without anything secret or personal beyond their names.
CREATE TABLE IF NOT EXISTS learninglog_audit (
    record_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    actor     text        NOT NULL CHECK (length(actor) BETWEEN 1 AND 300),
    action    text        NOT NULL CHECK (length(action) BETWEEN 1 AND 50),
    subject   text        NOT NULL CHECK (length(subject) <= 500)
);
CREATE INDEX IF NOT EXISTS learninglog_audit_at_idx ON learninglog_audit (at);
