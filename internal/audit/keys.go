package audit

import (
	"context"
	"fmt"
	"time"

	"learninglog/internal/access"
)

// KeyStore is where keys are: [access.Keys], an [access.Keyring] or [Keys].
type KeyStore interface {
	Create(ctx context.Context, wanted access.NewKey) (access.Key, string, error)
	List(ctx context.Context) ([]access.Key, error)
	Rotate(ctx context.Context, id int64, overlap time.Duration) (access.Key, string, error)
	Revoke(ctx context.Context, id int64) (access.Key, error)
}

// Keys records what is done to the keys in a store.
type Keys struct {
	KeyStore

	Trail *Trail
}

// Create is that of the store.
func (k Keys) Create(ctx context.Context, wanted access.NewKey) (access.Key, string, error) {
	key, secret, err := k.KeyStore.Create(ctx, wanted)
	if err == nil {
		k.Trail.Record(ctx, KeyCreated, describeKey(key))
	}
	return key, secret, err
}

// Rotate is that of the store.
func (k Keys) Rotate(ctx context.Context, id int64, overlap time.Duration) (access.Key, string, error) {
	key, secret, err := k.KeyStore.Rotate(ctx, id, overlap)
	if err == nil {
		k.Trail.Record(ctx, KeyRotated, fmt.Sprintf("key %d, into %s", id, describeKey(key)))
	}
	return key, secret, err
}

// Revoke is that of the store.
func (k Keys) Revoke(ctx context.Context, id int64) (access.Key, error) {
	key, err := k.KeyStore.Revoke(ctx, id)
	if err == nil {
		k.Trail.Record(ctx, KeyRevoked, fmt.Sprintf("key %d (%q)", key.ID, key.Name))
	}
	return key, err
}

// describeKey says what a key may do.
func describeKey(key access.Key) string {
	text := fmt.Sprintf("key %d (%q): %s", key.ID, key.Name, access.JoinScopes(key.Scopes, ", "))
	if key.UserID != nil {
		text += ", of user " + key.UserID.String()
	}
	if key.ExpiresAt != nil {
		text += ", until " + key.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return text
}
