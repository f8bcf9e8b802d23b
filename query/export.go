package query

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/learning"
	"learninglog/rollup"
)

// Export is what to do with everything that is known of a learner. Its functions are called
// in this order, each as often as there is something. If one fails, the export ends.
type Export struct {
	Begin     func(Contents) error
	Settings  func(ExportedSettings) error
	Key       func(ExportedKey) error
	Session   func(ExportedSession) error
	SealedDay func(SealedDay) error
	Log       func(ExportedLog) error
}

// Contents is what an export has.
type Contents struct {
	UserID uuid.UUID
	// At is as of when it is, by the clock of the database, in UTC.
	At time.Time
	// Logs, of which some are voided, SealedDays, Settings, Keys and Sessions count what
	// follows.
	Logs, Voided, SealedDays, Settings, Keys, Sessions int64
	// ShareLinks are the links by which the learner's page is shared.
	ShareLinks []ExportedShareLink
}

// ExportedShareLink is a share link, without its secret. Times are in UTC.
type ExportedShareLink struct {
	Name                 string
	CreatedAt, ExpiresAt time.Time
	LastUsedAt           *time.Time
}

// ExportedLog is a log, with what no list shows.
type ExportedLog struct {
	learning.Log

	// OffsetGiven says that the client said the zone or the offset.
	OffsetGiven bool
}

// SealedDay is what logs of a date that were purged came to.
type SealedDay struct {
	UserID uuid.UUID
	Day    rollup.Date
	rollup.Sums
}

// ExportedSettings are what the learner has set, and when, in UTC.
type ExportedSettings struct {
	learning.Settings

	UserID    uuid.UUID
	ChangedAt time.Time
}

// ExportedKey is a key that is bound to the learner, without its secret. Times are in UTC.
type ExportedKey struct {
	ID         int64
	Name       string
	Scopes     []string
	CreatedAt  time.Time
	ExpiresAt  *time.Time
	RevokedAt  *time.Time
	LastUsedAt *time.Time
}

// ExportedSession is a session of the learner. Times are in UTC.
type ExportedSession struct{ CreatedAt, ExpiresAt time.Time }

// Export reads everything that is known of a learner, in one snapshot and in constant memory.
// It holds a connection, and the snapshot, for as long as the functions take: so they must
// not take for ever. It isn't tried again if it fails.
func (r *Reader) Export(ctx context.Context, user uuid.UUID, export Export) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, r.pool, options, func(tx pgx.Tx) error {
		for _, read := range []func(context.Context, pgx.Tx, uuid.UUID, Export) error{
			exportContents, exportSettings, exportKeys, exportSessions, exportSealedDays, exportLogs,
		} {
			if err := read(ctx, tx, user, export); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("exporting a learner: %w", err)
	}
	return nil
}

// No statement is of tables that may be at different servers.

func exportContents(ctx context.Context, tx pgx.Tx, user uuid.UUID, export Export) error {
	contents := Contents{UserID: user}
	err := tx.QueryRow(ctx, `
		SELECT now(),
		       (SELECT count(*) FROM learninglog_keys WHERE user_id = $1),
		       (SELECT count(*) FROM learninglog_sessions WHERE user_id = $1)`, user).
		Scan(&contents.At, &contents.Keys, &contents.Sessions)
	if err != nil {
		return err
	}
	contents.At = contents.At.UTC()
	if contents.ShareLinks, err = readShareLinks(ctx, tx, user); err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT count(*), count(voided_at) FROM learning_log WHERE user_id = $1`, user).
		Scan(&contents.Logs, &contents.Voided)
	if err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT count(*) FROM learning_log_sealed_days WHERE user_id = $1`, user).Scan(&contents.SealedDays)
	if err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT count(*) FROM learning_log_settings WHERE user_id = $1`, user).Scan(&contents.Settings)
	if err != nil {
		return err
	}
	return export.Begin(contents)
}

func exportSettings(ctx context.Context, tx pgx.Tx, user uuid.UUID, export Export) error {
	rows, err := tx.Query(ctx, `SELECT changed_at, `+learning.SettingsColumns+` FROM learning_log_settings WHERE user_id = $1`, user)
	if err != nil {
		return err
	}
	exported := ExportedSettings{UserID: user}
	return learning.ForEachSettings(rows, []any{&exported.ChangedAt}, func(settings learning.Settings) error {
		exported.Settings, exported.ChangedAt = settings, exported.ChangedAt.UTC()
		return export.Settings(exported)
	})
}

// readShareLinks reads the share links of a learner, of which there are few.
func readShareLinks(ctx context.Context, tx pgx.Tx, user uuid.UUID) ([]ExportedShareLink, error) {
	rows, err := tx.Query(ctx, `
		SELECT name, created_at AT TIME ZONE 'UTC', expires_at AT TIME ZONE 'UTC', last_used_at AT TIME ZONE 'UTC'
		FROM learninglog_share_links WHERE user_id = $1
		ORDER BY link_id`, user)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[ExportedShareLink])
}

func exportKeys(ctx context.Context, tx pgx.Tx, user uuid.UUID, export Export) error {
	rows, err := tx.Query(ctx, `
		SELECT key_id, name, scopes, created_at, expires_at, revoked_at, last_used_at
		FROM learninglog_keys WHERE user_id = $1
		ORDER BY key_id`, user)
	if err != nil {
		return err
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ExportedKey])
	if err != nil {
		return err
	}
	for _, key := range keys {
		key.CreatedAt = key.CreatedAt.UTC()
		for _, at := range []**time.Time{&key.ExpiresAt, &key.RevokedAt, &key.LastUsedAt} {
			if *at != nil {
				*at = new((*at).UTC())
			}
		}
		if err := export.Key(key); err != nil {
			return err
		}
	}
	return nil
}

func exportSessions(ctx context.Context, tx pgx.Tx, user uuid.UUID, export Export) error {
	rows, err := tx.Query(ctx, `
		SELECT created_at, expires_at FROM learninglog_sessions WHERE user_id = $1
		ORDER BY created_at, hash`, user)
	if err != nil {
		return err
	}
	sessions, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ExportedSession])
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if err := export.Session(ExportedSession{session.CreatedAt.UTC(), session.ExpiresAt.UTC()}); err != nil {
			return err
		}
	}
	return nil
}

func exportSealedDays(ctx context.Context, tx pgx.Tx, user uuid.UUID, export Export) error {
	rows, err := tx.Query(ctx, `
		SELECT day, total_word_count, entry_count FROM learning_log_sealed_days WHERE user_id = $1
		ORDER BY day`, user)
	if err != nil {
		return err
	}
	var day time.Time
	sealed := SealedDay{UserID: user}
	_, err = pgx.ForEachRow(rows, []any{&day, &sealed.TotalWordCount, &sealed.EntryCount}, func() error {
		sealed.Day = rollup.DateOf(day)
		return export.SealedDay(sealed)
	})
	return err
}

// exportLogs reads rows while they arrive, so the database sends them as fast as they are
// taken. Logs that count and logs that were voided are in different indexes, and each index
// has its logs in order.
func exportLogs(ctx context.Context, tx pgx.Tx, user uuid.UUID, export Export) error {
	logs := func(which string) string {
		return `(SELECT ` + learning.Columns + `, offset_given FROM learning_log
		         WHERE user_id = $1 AND voided_at ` + which + ` ORDER BY "timestamp", request_id)`
	}
	rows, err := tx.Query(ctx, logs("IS NULL")+` UNION ALL `+logs("IS NOT NULL")+` ORDER BY "timestamp", request_id`, pgx.QueryExecModeCacheDescribe, user)
	if err != nil {
		return err
	}
	return learning.ForEachWithOffsetGiven(rows, func(log learning.Log, given bool) error {
		return export.Log(ExportedLog{log, given})
	})
}
