package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/caller"
)

const (
	// MaxShareLinks is how many share links a learner can have at a time.
	MaxShareLinks = 20
	// ShareLinkLasts is how long a link is good if nobody says more.
	ShareLinkLasts = 30 * 24 * time.Hour
	// LongestShareLink is how long one can be good.
	LongestShareLink = 366 * 24 * time.Hour
)

var (
	// ErrTooManyShareLinks means that a learner has [MaxShareLinks].
	ErrTooManyShareLinks = errors.New("the learner has as many share links as there can be")
	// ErrErased means that a learner was erased, so there is nothing to share.
	ErrErased = errors.New("the learner was erased")
)

// ShareLink is a link by which whoever has it sees the page of a learner, without its secret.
type ShareLink struct {
	ID     int64
	UserID uuid.UUID
	// Name is for the learner, to know whom the link is for.
	Name                 string
	CreatedAt, ExpiresAt time.Time
	// LastUsedAt is nil for never. It is up to some minutes old.
	LastUsedAt *time.Time
}

// NewShareLink is what a share link is to be. Check it first.
type NewShareLink struct {
	UserID uuid.UUID
	// Name is of 1 to [MaxName] characters.
	Name string
	// ExpiresAt is until when it is good, at most [LongestShareLink] from now.
	ExpiresAt time.Time
}

// Check fails with an [*InvalidError] if something is wrong.
func (l NewShareLink) Check(now time.Time) error {
	switch {
	case !isName(l.Name):
		return &InvalidError{FieldName, fmt.Sprintf("must be of 1 to %d printable characters", MaxName)}
	case !l.ExpiresAt.After(now):
		return &InvalidError{FieldExpiresAt, "must be in the future"}
	case l.ExpiresAt.Sub(now) > LongestShareLink:
		return &InvalidError{FieldExpiresAt, "must be within a year"}
	default:
		return nil
	}
}

// ShareDatabase is the part of a connection pool that share links use.
type ShareDatabase interface {
	Database
	Begin(ctx context.Context) (pgx.Tx, error)
}

// ShareLinks are the links by which learners show their pages to others. Unlike keys, they
// aren't known by heart: there may be some for each learner, and one that is revoked is
// unknown everywhere at once.
type ShareLinks struct {
	// Turn bounds how much is asked of the database for requests at a time. Nil doesn't.
	Turn Turn

	database ShareDatabase
	failures *failures
	observer Observer
	logger   *slog.Logger
}

// NewShareLinks returns the share links in the database, which must be migrated. The observer
// hears of links that are worth nothing.
func NewShareLinks(database ShareDatabase, observer Observer, logger *slog.Logger) *ShareLinks {
	return &ShareLinks{database: database, failures: newFailures(), observer: observer, logger: logger}
}

// Open returns who a request is from that has the secret of a link. It fails with [ErrUnknown],
// or with a [*TooManyFailuresError].
//
// Failures of an address are counted apart from those of keys and logins: pages of other sites
// can make a browser ask for links, and must not keep people here from logging in.
func (l *ShareLinks) Open(ctx context.Context, text string) (*Identity, error) {
	who := caller.Of(ctx)
	isGuess := !l.failures.wasGood(text)
	if err := l.failures.checkSession(who, text); err != nil {
		l.observe(err)
		return nil, err
	}
	found, err := l.find(ctx, text)
	l.observe(err)
	switch {
	case err == nil:
		l.failures.remember(text)
	case isGuess && errors.Is(err, ErrUnknown):
		l.failures.note(who)
	}
	return found, err
}

func (l *ShareLinks) observe(err error) {
	if why := reasonOf(err); why != "" {
		l.observer.Failed(why)
	}
}

func (l *ShareLinks) find(ctx context.Context, text string) (*Identity, error) {
	made := secret(text)
	if !made.isWellFormed(linkPrefix) {
		return nil, failure{Malformed}
	}
	end, err := l.Turn.wait(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, sessionPatience)
	defer cancel()
	hash := made.hash()
	found, err := readLinks(ctx, l.database, `hash = $1 AND expires_at > now()`, hash[:])
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, failure{Unknown}
	}
	link := found[0]
	l.noteUse(ctx, link)
	name := fmt.Sprintf("share link %d", link.ID)
	return &Identity{Name: name, Scopes: []Scope{SeePage}, Learner: &link.UserID, Caller: caller.Named(name)}, nil
}

// noteUse notes that a link is used, now and then. The page is shown even if that fails, as
// where the database can't be written.
func (l *ShareLinks) noteUse(ctx context.Context, link ShareLink) {
	if link.LastUsedAt != nil && time.Since(*link.LastUsedAt) < noteUseEvery {
		return
	}
	_, err := l.database.Exec(ctx, `
		UPDATE learninglog_share_links SET last_used_at = now()
		WHERE link_id = $1 AND (last_used_at IS NULL OR last_used_at < now() - $2::interval)`, link.ID, noteUseEvery)
	if err != nil && ctx.Err() == nil {
		l.logger.WarnContext(ctx, "it can't be noted when a share link was used", slog.Any("error", err))
	}
}

// Create creates a link, and returns it with its secret, which nobody can find out again. It
// fails with [ErrTooManyShareLinks] or [ErrErased].
func (l *ShareLinks) Create(ctx context.Context, wanted NewShareLink) (ShareLink, string, error) {
	made := newSecret(linkPrefix)
	hash := made.hash()
	var created ShareLink
	err := pgx.BeginFunc(ctx, l.database, func(tx pgx.Tx) error {
		// One after the other, or two at once would both find room for one more.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "share links of "+wanted.UserID.String()); err != nil {
			return err
		}
		// Before the look who was erased: with the lock of the table that this takes, whoever
		// erases waits until the link is there.
		if _, err := tx.Exec(ctx, `DELETE FROM learninglog_share_links WHERE user_id = $1 AND expires_at <= now()`, wanted.UserID); err != nil {
			return err
		}
		var erased bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM learninglog_erased_users WHERE user_id = $1)`, wanted.UserID).Scan(&erased)
		if err != nil {
			return err
		}
		if erased {
			return ErrErased
		}
		rows, err := tx.Query(ctx, `
			INSERT INTO learninglog_share_links (hash, user_id, name, expires_at)
			SELECT $1, $2, $3, $4
			WHERE (SELECT count(*) FROM learninglog_share_links WHERE user_id = $2) < $5
			RETURNING `+linkColumns, hash[:], wanted.UserID, wanted.Name, wanted.ExpiresAt, MaxShareLinks)
		if err != nil {
			return err
		}
		created, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[ShareLink])
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrTooManyShareLinks
		}
		return err
	})
	if err != nil {
		return ShareLink{}, "", fmt.Errorf("creating a share link: %w", err)
	}
	return created, string(made), nil
}

// List returns the links of a learner that are good, the newest first.
func (l *ShareLinks) List(ctx context.Context, learner uuid.UUID) ([]ShareLink, error) {
	return readLinks(ctx, l.database, `user_id = $1 AND expires_at > now() ORDER BY link_id DESC`, learner)
}

// Revoke makes a link of a learner unknown, everywhere and at once. It fails with [ErrNotFound]
// if the learner has none with that id.
func (l *ShareLinks) Revoke(ctx context.Context, learner uuid.UUID, id int64) (ShareLink, error) {
	rows, err := l.database.Query(ctx, `
		DELETE FROM learninglog_share_links WHERE user_id = $1 AND link_id = $2
		RETURNING `+linkColumns, learner, id)
	if err != nil {
		return ShareLink{}, fmt.Errorf("revoking a share link: %w", err)
	}
	revoked, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[ShareLink])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ShareLink{}, ErrNotFound
	case err != nil:
		return ShareLink{}, fmt.Errorf("revoking a share link: %w", err)
	default:
		return revoked, nil
	}
}

// DeleteExpired deletes the links that have expired.
func (l *ShareLinks) DeleteExpired(ctx context.Context) error {
	if _, err := l.database.Exec(ctx, `DELETE FROM learninglog_share_links WHERE expires_at <= now()`); err != nil {
		return fmt.Errorf("deleting share links: %w", err)
	}
	return nil
}

// Run deletes the links that have expired, now and then, until ctx ends.
func (l *ShareLinks) Run(ctx context.Context) {
	deleteNowAndThen(ctx, l.logger, "share links", l.DeleteExpired)
}

// linkColumns are the fields of a [ShareLink], in their order.
const linkColumns = `link_id, user_id, name, created_at, expires_at, last_used_at`

// readLinks returns the links for which a condition holds.
func readLinks(ctx context.Context, database Database, condition string, arguments ...any) ([]ShareLink, error) {
	rows, err := database.Query(ctx, `SELECT `+linkColumns+` FROM learninglog_share_links WHERE `+condition, arguments...)
	if err != nil {
		return nil, fmt.Errorf("reading share links: %w", err)
	}
	links, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ShareLink])
	if err != nil {
		return nil, fmt.Errorf("reading share links: %w", err)
	}
	return links, nil
}
