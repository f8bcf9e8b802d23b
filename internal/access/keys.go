package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Database is the part of a connection pool that keys use.
type Database interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
}

// Keys are the keys in a database.
type Keys struct{ database Database }

// NewKeys returns the keys in the database, which must be migrated.
func NewKeys(database Database) *Keys { return &Keys{database} }

// NewKey is what a key is to be. Check it first.
type NewKey struct {
	// Name is for people, of 1 to 100 characters.
	Name string
	// Scopes are what it may do, at least one.
	Scopes []Scope
	// UserID is the only learner that it is for, or nil.
	UserID *uuid.UUID
	// LogsPerSecond limits what it writes; 0 is the service's limit.
	LogsPerSecond int
	// ExpiresAt is until when it is known, or nil for always.
	ExpiresAt *time.Time
}

// MaxName is how many characters the name of a key or a share link has at most.
const MaxName = 100

// Field is a field of a [NewKey], by its name in the API.
type Field string

// The fields that may be wrong.
const (
	FieldName          Field = "name"
	FieldScopes        Field = "scopes"
	FieldLogsPerSecond Field = "logs_per_second"
	FieldExpiresAt     Field = "expires_at"
)

// InvalidError says what is wrong with a [NewKey], or with a [NewShareLink].
type InvalidError struct {
	Field Field
	// Message completes a sentence that begins with the name of the field, whatever people
	// call it where they say what the key is to be.
	Message string
}

func (e *InvalidError) Error() string { return string(e.Field) + " " + e.Message }

// Check fails with an [*InvalidError] if something is wrong.
func (k NewKey) Check(now time.Time) error {
	const maxRate = 1_000_000_000
	switch {
	case !isName(k.Name):
		return &InvalidError{FieldName, fmt.Sprintf("must be of 1 to %d printable characters", MaxName)}
	case len(k.Scopes) == 0:
		return &InvalidError{FieldScopes, "must be some of " + JoinScopes(Scopes(), ", ")}
	case hasTwice(k.Scopes):
		return &InvalidError{FieldScopes, "must be given once each"}
	case !within(k.Scopes, Scopes()):
		return &InvalidError{FieldScopes, "must be of " + JoinScopes(Scopes(), ", ")}
	case k.UserID != nil && !within(k.Scopes, ofLearners()):
		return &InvalidError{FieldScopes, "must be of " + JoinScopes(ofLearners(), ", ") + " for a key of one user"}
	case k.LogsPerSecond < 0 || k.LogsPerSecond > maxRate:
		return &InvalidError{FieldLogsPerSecond, fmt.Sprintf("must be from 1 to %d", maxRate)}
	case k.ExpiresAt != nil && !k.ExpiresAt.After(now):
		return &InvalidError{FieldExpiresAt, "must be in the future"}
	default:
		return nil
	}
}

func isName(name string) bool {
	isOdd := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	return strings.TrimSpace(name) != "" && utf8.RuneCountInString(name) <= MaxName && !strings.ContainsFunc(name, isOdd)
}

func hasTwice(scopes []Scope) bool {
	sorted := slices.Sorted(slices.Values(scopes))
	return len(slices.Compact(sorted)) < len(scopes)
}

func within(scopes, all []Scope) bool {
	return !slices.ContainsFunc(scopes, func(s Scope) bool { return !slices.Contains(all, s) })
}

// Key is a key, without its secret.
type Key struct {
	ID int64
	// Beginning is the first characters of the secret.
	Beginning string
	Name      string
	Scopes    []Scope
	// UserID is the only learner that it is for, or nil.
	UserID *uuid.UUID
	// LogsPerSecond limits what it writes; 0 is the service's limit.
	LogsPerSecond int
	CreatedAt     time.Time
	// ExpiresAt, RevokedAt and LastUsedAt are nil for never. The last is up to some
	// minutes old.
	ExpiresAt, RevokedAt, LastUsedAt *time.Time
}

// State is "active", "expired" or "revoked".
func (k Key) State(now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return stateRevoked
	case k.ExpiresAt != nil && !k.ExpiresAt.After(now):
		return stateExpired
	default:
		return stateActive
	}
}

const stateActive, stateExpired, stateRevoked = "active", "expired", "revoked"

const keyColumns = `key_id, beginning, name, scopes, user_id, coalesce(logs_per_second, 0), created_at, expires_at, revoked_at, last_used_at`

// columns returns where to scan keyColumns.
func (k *Key) columns() []any {
	return []any{
		&k.ID, &k.Beginning, &k.Name, &k.Scopes, &k.UserID, &k.LogsPerSecond,
		&k.CreatedAt, &k.ExpiresAt, &k.RevokedAt, &k.LastUsedAt,
	}
}

func scanKey(row pgx.CollectableRow) (k Key, err error) {
	err = row.Scan(k.columns()...)
	return k, err
}

// Create creates a key, and returns it with its secret, which nobody can find out again.
func (k *Keys) Create(ctx context.Context, wanted NewKey) (Key, string, error) {
	made := newSecret(keyPrefix)
	hash := made.hash()
	created, err := k.one(ctx, `
		INSERT INTO learninglog_keys (hash, beginning, name, scopes, user_id, logs_per_second, expires_at, lifetime)
		VALUES ($1, $2, $3, $4, $5, nullif($6, 0), $7, $7 - now())
		RETURNING `+keyColumns,
		hash[:], made.beginning(), wanted.Name, wanted.Scopes, wanted.UserID, wanted.LogsPerSecond, wanted.ExpiresAt)
	if err != nil {
		return Key{}, "", fmt.Errorf("creating a key: %w", err)
	}
	return created, string(made), nil
}

// Rotate creates a key that is like another, and lets that expire after a time at the
// latest, so that both are known meanwhile. It fails with [ErrNotFound], also for a key that
// has expired or was revoked.
func (k *Keys) Rotate(ctx context.Context, id int64, overlap time.Duration) (Key, string, error) {
	made := newSecret(keyPrefix)
	hash := made.hash()
	created, err := k.one(ctx, `
		WITH old AS (
			SELECT * FROM learninglog_keys
			WHERE key_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
			FOR UPDATE
		), made AS (
			INSERT INTO learninglog_keys (hash, beginning, name, scopes, user_id, logs_per_second, expires_at, lifetime)
			SELECT $2, $3, name, scopes, user_id, logs_per_second,
			       CASE WHEN lifetime IS NOT NULL THEN least(now() + lifetime, '9998-12-31Z') END, lifetime
			FROM old
			RETURNING *
		), ending AS (
			UPDATE learninglog_keys SET expires_at = least(expires_at, now() + $4::interval), changed_at = greatest(changed_at, clock_timestamp())
			WHERE key_id = (SELECT key_id FROM old)
		)
		SELECT `+keyColumns+` FROM made`,
		id, hash[:], made.beginning(), overlap)
	if err != nil {
		return Key{}, "", fmt.Errorf("rotating a key: %w", err)
	}
	return created, string(made), nil
}

// Revoke makes a key unknown: here at once, and to every service within ten seconds. Doing
// it again changes nothing. It fails with [ErrNotFound].
func (k *Keys) Revoke(ctx context.Context, id int64) (Key, error) {
	revoked, err := k.one(ctx, `
		UPDATE learninglog_keys
		SET revoked_at = coalesce(revoked_at, clock_timestamp()), changed_at = greatest(changed_at, clock_timestamp())
		WHERE key_id = $1
		RETURNING `+keyColumns, id)
	if err != nil {
		return Key{}, fmt.Errorf("revoking a key: %w", err)
	}
	return revoked, nil
}

// List returns all keys, the newest first.
func (k *Keys) List(ctx context.Context) ([]Key, error) {
	rows, err := k.database.Query(ctx, `SELECT `+keyColumns+` FROM learninglog_keys ORDER BY key_id DESC`)
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, scanKey)
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	return keys, nil
}

// one runs a statement that returns a key, or no row if there is none with that id.
func (k *Keys) one(ctx context.Context, sql string, arguments ...any) (Key, error) {
	rows, err := k.database.Query(ctx, sql, arguments...)
	if err != nil {
		return Key{}, err
	}
	key, err := pgx.CollectExactlyOneRow(rows, scanKey)
	if errors.Is(err, pgx.ErrNoRows) {
		return Key{}, ErrNotFound
	}
	return key, err
}
