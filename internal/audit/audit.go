// Package audit keeps a record of what was done by whom. [Trail.Record] writes it; [Jobs]
// and [Keys] do so for whatever is done to jobs and keys, through whichever door.
package audit

import (
	"context"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"learninglog/internal/access"
	"learninglog/internal/caller"
)

// Action is what was done.
type Action string

// The actions.
const (
	RebuildRequested Action = "rebuild.requested"
	RebuildCancelled Action = "rebuild.cancelled"
	// RebuildsCancelled is to cancel all rebuilds and re-zones that wait.
	RebuildsCancelled Action = "rebuilds.cancelled"
	RezoneRequested   Action = "rezone.requested"
	PurgeRequested    Action = "purge.requested"
	// JobsCancelled, JobsRetried and JobsDeleted are done at the pages about jobs.
	JobsCancelled Action = "jobs.cancelled"
	JobsRetried   Action = "jobs.retried"
	JobsDeleted   Action = "jobs.deleted"
	QueuePaused   Action = "queue.paused"
	QueueResumed  Action = "queue.resumed"
	// LogsVoided is a call that took logs back, however many.
	LogsVoided Action = "logs.voided"
	// UserErased is to ask that everything of a learner is deleted, or of several, and
	// UserUnerased to let logs of one be recorded again.
	UserErased   Action = "user.erased"
	UserUnerased Action = "user.unerased"
	// SealedDaysRestored is to add what logs that were purged came to.
	SealedDaysRestored Action = "sealed_days.restored"
	KeyCreated         Action = "key.created"
	KeyRotated         Action = "key.rotated"
	KeyRevoked         Action = "key.revoked"
	ShareLinkCreated   Action = "share_link.created"
	ShareLinkRevoked   Action = "share_link.revoked"
)

// What the table takes, in characters.
const (
	maxActor   = 300
	maxSubject = 500
)

// Database is the part of a connection pool that a trail uses.
type Database interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
	Reset()
}

// Trail is the record of what was done, in a database.
type Trail struct {
	database Database
	logger   *slog.Logger
	// process is who does what this process does, or empty for whomever its requests are
	// from.
	process string
}

// New returns the trail of a service, in a database that must be migrated. Whoever did
// something is whoever the request is from.
func New(database Database, logger *slog.Logger) *Trail {
	return &Trail{database: database, logger: logger}
}

// NewOfCommand returns the trail of a command: whoever did something is the user of the
// operating system who runs it.
func NewOfCommand(database Database, logger *slog.Logger) *Trail {
	name := strconv.Itoa(os.Getuid()) // where nobody knows more, as in an empty container
	if known, err := user.Current(); err == nil {
		name = known.Username
	}
	return &Trail{database: database, logger: logger, process: "command line (" + name + ")"}
}

// Record records that something was done, also if ctx has ended. The subject says to what,
// without anything secret, and without texts of clients other than names.
//
// It returns no error: what is to be recorded is done already, and whoever did it must not
// be told that it failed, because they would do it again. So the log has what the table
// couldn't be given.
func (t *Trail) Record(ctx context.Context, action Action, subject string) {
	const patience = 3 * time.Second
	actor := bounded(t.actor(ctx), maxActor)
	subject = bounded(subject, maxSubject)
	attributes := []slog.Attr{slog.String("actor", actor), slog.String("action", string(action)), slog.String("subject", subject)}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	t.logger.LogAttrs(ctx, slog.LevelInfo, "done", attributes...)
	_, err := t.database.Exec(ctx, `INSERT INTO learninglog_audit (actor, action, subject) VALUES ($1, $2, $3)`,
		actor, string(action), subject)
	if err != nil {
		t.logger.LogAttrs(ctx, slog.LevelError, "it can't be recorded who did something", append(attributes, slog.Any("error", err))...)
	}
}

// actor names whoever does something.
func (t *Trail) actor(ctx context.Context) string {
	if t.process != "" {
		return t.process
	}
	if identity := access.Of(ctx); identity != nil && identity.Name != "" {
		return identity.Name
	}
	return "somebody at " + caller.Of(ctx).String()
}

// bounded returns a text of at most so many characters that PostgreSQL can take, in a
// line.
func bounded(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r // what isn't UTF-8 comes as that
	}, text)
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}
