package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/internal/access"
	"learninglog/internal/problem"
)

// NewKey is a key that is to be created. It documents what decodeKey reads.
type NewKey struct {
	_ struct{} `additionalProperties:"false"`

	Name          string     `json:"name" minLength:"1" maxLength:"100" example:"backend" doc:"What people call it."`
	Scopes        []string   `json:"scopes" minItems:"1" nullable:"false" enum:"logs:write,logs:read,rebuilds,keys" example:"[\"logs:write\"]" doc:"What it may do. A key of one user has some of logs:write and logs:read."`
	UserID        string     `json:"user_id,omitempty" format:"uuid" doc:"The only learner whose logs it may write and read."`
	LogsPerSecond int        `json:"logs_per_second,omitempty" minimum:"1" maximum:"1000000000" doc:"How many logs a second it may write, on average."`
	ExpiresAt     *time.Time `json:"expires_at,omitempty" required:"false" doc:"Until when it is known."`
}

// Key is a key, without what is secret of it.
type Key struct {
	ID            int64          `json:"id"`
	Name          string         `json:"name" example:"backend"`
	Beginning     string         `json:"beginning" example:"llk_3xQz" doc:"The first characters of the key, to recognise it by."`
	Scopes        []access.Scope `json:"scopes" nullable:"false" enum:"logs:write,logs:read,rebuilds,keys"`
	UserID        string         `json:"user_id,omitempty" format:"uuid" doc:"The only learner whose logs it may write and read."`
	LogsPerSecond int            `json:"logs_per_second,omitempty" doc:"How many logs a second it may write. Left out, it is the service's limit."`
	State         string         `json:"state" enum:"active,expired,revoked"`
	CreatedAt     time.Time      `json:"created_at"`
	ExpiresAt     *time.Time     `json:"expires_at,omitempty"`
	RevokedAt     *time.Time     `json:"revoked_at,omitempty"`
	LastUsedAt    *time.Time     `json:"last_used_at,omitempty" doc:"Up to some minutes late."`
}

// CreatedKey is a new key.
type CreatedKey struct {
	Key

	Secret string `json:"key" example:"llk_3xQz…" doc:"The key itself. It is shown this one time."`
}

// KeyList is a list of keys.
type KeyList struct {
	Keys []Key `json:"keys" nullable:"false" doc:"Newest first."`
}

type (
	newKeyInput struct{ payload }
	keysOutput  struct{ Body KeyList }
	keyOutput   struct{ Body Key }
	keyInput    struct {
		ID int64 `path:"id" minimum:"1" example:"7" doc:"The key's id."`
	}
	createdOutput struct {
		CacheControl string `header:"Cache-Control"`
		Body         CreatedKey
	}
	rotateInput struct {
		payload

		ID             int64 `path:"id" minimum:"1" example:"7" doc:"The key's id."`
		OverlapSeconds int   `query:"overlap_seconds" minimum:"0" maximum:"31536000" default:"86400" doc:"How long the old key goes on being known."`
	}
)

const maxKeyBytes = 16 << 10

func (s *server) documentCreateKey() huma.Operation {
	return huma.Operation{
		OperationID: "create-key",
		Summary:     "Create a key",
		Description: "Whoever may do this may give out every scope. The key itself is in this answer alone. " +
			"If there is no answer, look for the key in the list and revoke it: asking again makes another one.",
		Tags:          []string{tagKeys},
		DefaultStatus: http.StatusCreated,
		RequestBody: requestBody(true, "What the key is to be.", examplesOf(schemaOf[NewKey](s), map[string]any{
			"name": "Aiko's phone", "scopes": []access.Scope{access.WriteLogs, access.ReadLogs}, "user_id": exampleUser,
		})),
	}
}

func documentListKeys() huma.Operation {
	return huma.Operation{OperationID: "list-keys", Summary: "List all keys", Tags: []string{tagKeys}}
}

func documentRotateKey() huma.Operation {
	return huma.Operation{
		OperationID:   "rotate-key",
		Summary:       "Replace a key by one that is like it",
		Description:   "The old one goes on being known for a while, so that both can be used until the new one is everywhere.",
		Tags:          []string{tagKeys},
		DefaultStatus: http.StatusCreated,
	}
}

func documentRevokeKey() huma.Operation {
	return huma.Operation{
		OperationID: "revoke-key",
		Summary:     "Revoke a key",
		Description: "It is refused here at once, and by every service within ten seconds. Doing it again changes nothing.",
		Tags:        []string{tagKeys},
	}
}

func (s *server) createKey(ctx context.Context, input *newKeyInput) (*createdOutput, error) {
	if err := s.checkKeys(); err != nil {
		return nil, err
	}
	if _, err := input.mediaType(mediaJSON); err != nil {
		return nil, err
	}
	text, _, err := input.read(ctx, maxKeyBytes, nil)
	if err != nil {
		return nil, err
	}
	wanted, err := decodeKey(text)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.finish(ctx)
	defer cancel()
	return created(s.Keys.Create(ctx, wanted))
}

// checkKeys returns a problem where keys are of no use: there, whoever could create one
// would have it when they are of use.
func (s *server) checkKeys() error {
	if s.Keys == nil {
		return problem.NotFound.New("Keys are of use only where the service runs with --auth=keys.")
	}
	return nil
}

func created(key access.Key, secret string, err error) (*createdOutput, error) {
	if err != nil {
		return nil, keyProblem(err)
	}
	return &createdOutput{CacheControl: "no-store", Body: CreatedKey{Key: fromKey(key), Secret: secret}}, nil
}

func keyProblem(err error) error {
	if errors.Is(err, access.ErrNotFound) {
		return problem.NotFound.New("There is no key with this id, or none that is active.")
	}
	return err
}

// decodeKey reads a NewKey.
func decodeKey(text []byte) (access.NewKey, error) {
	o, err := newObject("body", text)
	if err != nil {
		return access.NewKey{}, err
	}
	wanted := access.NewKey{
		Name:          o.takeString("name"),
		Scopes:        o.takeScopes("scopes"),
		UserID:        o.takeUUID("user_id", false),
		LogsPerSecond: o.takeNumber("logs_per_second", 1, 1_000_000_000, 0),
		ExpiresAt:     o.takeInstant("expires_at"),
	}
	if wrong := o.finish("name", "scopes", "user_id", "logs_per_second", "expires_at"); wrong != nil {
		return access.NewKey{}, problem.Invalid.New("", wrong...)
	}
	err = wanted.Check(time.Now())
	if wrong, ok := errors.AsType[*access.InvalidError](err); ok {
		return access.NewKey{}, problem.Invalid.New("", problem.Field{Location: "body." + string(wrong.Field), Message: wrong.Message})
	}
	return wanted, err
}

// takeString returns a required string, or nothing if it is absent or wrong.
func (o *object) takeString(name string) string {
	raw := o.take(name, true)
	if raw == nil {
		return ""
	}
	text, ok := unquote(raw)
	if !ok {
		o.wrong(name, raw, "must be a string")
	}
	return string(text)
}

// takeScopes returns a required list of scopes. The command checks which there are.
func (o *object) takeScopes(name string) (scopes []access.Scope) {
	raw := o.take(name, true)
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, &scopes); err != nil {
		o.wrong(name, raw, "must be a list of scopes")
	}
	return scopes
}

func (s *server) listKeys(ctx context.Context, _ *struct{}) (*keysOutput, error) {
	if err := s.checkKeys(); err != nil {
		return nil, err
	}
	const all = 256 << 10 // bytes, of thousands
	done, err := s.beginRead(ctx, all)
	if err != nil {
		return nil, err
	}
	defer done()
	listed, err := s.Keys.List(ctx)
	if err != nil {
		return nil, err
	}
	output := &keysOutput{Body: KeyList{Keys: make([]Key, len(listed))}}
	for i, key := range listed {
		output.Body.Keys[i] = fromKey(key)
	}
	return output, nil
}

func (s *server) rotateKey(ctx context.Context, input *rotateInput) (*createdOutput, error) {
	if err := s.checkKeys(); err != nil {
		return nil, err
	}
	if text, _, err := input.read(ctx, maxKeyBytes, nil); err != nil {
		return nil, err
	} else if len(text) > 0 {
		return nil, problem.Invalid.New("", problem.Field{Location: "body", Message: "must be empty: overlap_seconds is a parameter"})
	}
	ctx, cancel := s.finish(ctx)
	defer cancel()
	return created(s.Keys.Rotate(ctx, input.ID, time.Duration(input.OverlapSeconds)*time.Second))
}

func (s *server) revokeKey(ctx context.Context, input *keyInput) (*keyOutput, error) {
	if err := s.checkKeys(); err != nil {
		return nil, err
	}
	ctx, cancel := s.finish(ctx)
	defer cancel()
	key, err := s.Keys.Revoke(ctx, input.ID)
	if err != nil {
		return nil, keyProblem(err)
	}
	return &keyOutput{Body: fromKey(key)}, nil
}

func fromKey(key access.Key) Key {
	shown := Key{
		ID:            key.ID,
		Name:          key.Name,
		Beginning:     key.Beginning,
		Scopes:        key.Scopes,
		LogsPerSecond: key.LogsPerSecond,
		State:         key.State(time.Now()),
		CreatedAt:     key.CreatedAt.UTC(),
		ExpiresAt:     inUTC(key.ExpiresAt),
		RevokedAt:     inUTC(key.RevokedAt),
		LastUsedAt:    inUTC(key.LastUsedAt),
	}
	if key.UserID != nil {
		shown.UserID = key.UserID.String()
	}
	return shown
}

func inUTC(at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	return new(at.UTC())
}
