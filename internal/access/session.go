package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/caller"
)

const (
	// operatorsSession and learnersSession are how long sessions last. Those that were
	// begun with a key last as long as operators'.
	operatorsSession = 12 * time.Hour
	learnersSession  = 30 * 24 * time.Hour
	// deleteExpiredEvery is how often sessions that have expired are deleted.
	deleteExpiredEvery = time.Hour
	// sessionPatience is how long the database may take to find a session, or to change one.
	sessionPatience = 5 * time.Second
	// maxSessionsEach is how many sessions a key or a person can have.
	maxSessionsEach = 100
	// Together they have room in the record of what was done.
	maxShownName, maxShownSubject = 40, 240
)

// Person is somebody who is known by a login: an operator, or a learner.
type Person struct {
	// Operator says that they may do everything. Otherwise they are the learner UserID,
	// and may do only what is about them.
	Operator bool
	UserID   uuid.UUID
	// Subject is what the issuer calls an operator, and nobody else. Name is what people
	// call them, which they may choose.
	Subject, Name string
}

// Identity returns who the person is.
func (p Person) Identity() *Identity {
	if p.Operator {
		return &Identity{
			Name:   fmt.Sprintf("operator %s (sub %s)", shown(p.Name, maxShownName), shown(p.Subject, maxShownSubject)),
			Scopes: Scopes(), Caller: caller.Named("operator " + p.Subject),
		}
	}
	name := "learner " + p.UserID.String()
	return &Identity{Name: name, Scopes: ofLearners(), Learner: &p.UserID, Caller: caller.Named(name)}
}

// shown returns a text on a line, and not too long.
func shown(text string, most int) string {
	printable := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text))
	if len(printable) == 0 {
		return "without a name"
	}
	return string(printable[:min(len(printable), most)])
}

// Sessions are those of people who are logged in, in a database. Nothing of them is kept in
// memory, so whoever logs out is logged out of every service at once.
type Sessions struct {
	// Turn bounds how much is asked of the database for requests at a time. Nil doesn't.
	Turn Turn

	database Database
	keys     *Keyring // nil where keys are worth nothing
	issuer   string   // empty where people can't log in
	logger   *slog.Logger
}

// NewSessions returns the sessions in the database, which must be migrated. One that was begun
// with a key is worth what the keyring says of the key; without a keyring, nothing. One of a
// person counts only if it was this issuer that said who they are; without an issuer, none does.
func NewSessions(database Database, keys *Keyring, issuer string, logger *slog.Logger) *Sessions {
	return &Sessions{database: database, keys: keys, issuer: issuer, logger: logger}
}

// Session is a session that has just begun.
type Session struct {
	// Secret is what its requests have, and nobody can find out again.
	Secret string
	// Lasts is how long it lasts.
	Lasts time.Duration
}

// Begin begins a session of a person whom the issuer knows, and ends their oldest if there are
// too many.
func (s *Sessions) Begin(ctx context.Context, p Person) (Session, error) {
	begun := Session{Secret: randomText(), Lasts: learnersSession}
	user, subject, name := &p.UserID, "", ""
	if p.Operator {
		begun.Lasts, user, subject, name = operatorsSession, nil, p.Subject, shown(p.Name, maxShownName)
	}
	hash := secret(begun.Secret).hash()
	err := s.exec(ctx, `
		WITH ended AS (
			DELETE FROM learninglog_sessions WHERE hash IN (
				SELECT hash FROM learninglog_sessions
				WHERE issuer = $2 AND (user_id = $3 OR subject = $4) ORDER BY created_at DESC OFFSET $7 - 1)
		)
		INSERT INTO learninglog_sessions (hash, issuer, user_id, subject, name, expires_at)
		VALUES ($1, $2, $3, nullif($4, ''), nullif($5, ''), now() + $6::interval)`,
		hash[:], s.issuer, user, subject, name, begun.Lasts, maxSessionsEach)
	if err != nil {
		return Session{}, fmt.Errorf("beginning a session: %w", err)
	}
	return begun, nil
}

// BeginWithKey begins a session of whoever has a key, and ends the oldest if there are too
// many of it. It fails with [ErrUnknown].
func (s *Sessions) BeginWithKey(ctx context.Context, key string) (Session, error) {
	if s.keys == nil {
		return Session{}, ErrUnknown
	}
	if _, err := s.keys.Find(ctx, key); err != nil {
		return Session{}, err
	}
	begun := Session{Secret: randomText(), Lasts: operatorsSession}
	hash, ofKey := secret(begun.Secret).hash(), secret(key).hash()
	err := s.exec(ctx, `
		WITH ended AS (
			DELETE FROM learninglog_sessions WHERE hash IN (
				SELECT s.hash FROM learninglog_sessions AS s JOIN learninglog_keys AS k USING (key_id)
				WHERE k.hash = $2 ORDER BY s.created_at DESC OFFSET $4 - 1)
		)
		INSERT INTO learninglog_sessions (hash, key_id, expires_at)
		SELECT $1, key_id, now() + $3::interval FROM learninglog_keys WHERE hash = $2`,
		hash[:], ofKey[:], begun.Lasts, maxSessionsEach)
	if err != nil {
		return Session{}, fmt.Errorf("beginning a session: %w", err)
	}
	return begun, nil
}

// foundSession is a row of the table.
type foundSession struct {
	Person  Person
	keyHash []byte // or nil
}

// Find returns whose session has a secret. It fails with [ErrUnknown].
func (s *Sessions) Find(ctx context.Context, text string) (*Identity, error) {
	if len(text) != randomLength {
		return nil, failure{NoSession}
	}
	found, err := s.read(ctx, secret(text).hash())
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, failure{NoSession}
	case err != nil:
		return nil, fmt.Errorf("finding a session: %w", err)
	case found.keyHash == nil:
		return found.Person.Identity(), nil
	case s.keys == nil:
		return nil, failure{NoSession}
	default:
		return s.keys.byHash(ctx, hash(found.keyHash))
	}
}

func (s *Sessions) read(ctx context.Context, of hash) (foundSession, error) {
	end, err := s.Turn.wait(ctx)
	if err != nil {
		return foundSession{}, err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, sessionPatience)
	defer cancel()
	rows, err := s.database.Query(ctx, `
		SELECT s.user_id, coalesce(s.subject, ''), coalesce(s.name, ''), k.hash
		FROM learninglog_sessions AS s LEFT JOIN learninglog_keys AS k USING (key_id)
		WHERE s.hash = $1 AND s.expires_at > now() AND (s.key_id IS NOT NULL OR s.issuer = $2)`, of[:], s.issuer)
	if err != nil {
		return foundSession{}, err
	}
	return pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (f foundSession, err error) {
		var user *uuid.UUID
		err = row.Scan(&user, &f.Person.Subject, &f.Person.Name, &f.keyHash)
		f.Person.Operator = f.Person.Subject != ""
		if user != nil {
			f.Person.UserID = *user
		}
		return f, err
	})
}

// exec changes sessions for a request.
func (s *Sessions) exec(ctx context.Context, sql string, arguments ...any) error {
	end, err := s.Turn.wait(ctx)
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, sessionPatience)
	defer cancel()
	_, err = s.database.Exec(ctx, sql, arguments...)
	return err
}

// End ends the session with a secret, if there is one.
func (s *Sessions) End(ctx context.Context, text string) error {
	hash := secret(text).hash()
	if err := s.exec(ctx, `DELETE FROM learninglog_sessions WHERE hash = $1`, hash[:]); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return nil
}

// DeleteExpired deletes the sessions that have expired.
func (s *Sessions) DeleteExpired(ctx context.Context) error {
	if _, err := s.database.Exec(ctx, `DELETE FROM learninglog_sessions WHERE expires_at <= now()`); err != nil {
		return fmt.Errorf("deleting sessions: %w", err)
	}
	return nil
}

// Run deletes the sessions that have expired, now and then, until ctx ends.
func (s *Sessions) Run(ctx context.Context) {
	deleteNowAndThen(ctx, s.logger, "sessions", s.DeleteExpired)
}

// deleteNowAndThen deletes what has expired of a kind, until ctx ends.
func deleteNowAndThen(ctx context.Context, logger *slog.Logger, kind string, deleteExpired func(context.Context) error) {
	deleting := time.NewTicker(deleteExpiredEvery)
	defer deleting.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-deleting.C:
			if err := deleteExpired(ctx); err != nil && ctx.Err() == nil {
				logger.WarnContext(ctx, kind+" that have expired can't be deleted; they are worth nothing all the same", slog.Any("error", err))
			}
		}
	}
}
