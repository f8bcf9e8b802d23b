// Package erased knows by heart which users were erased, so that nothing is recorded of
// them.
//
// Begin with [NewUsers], and call [Users.Run]. A process that has run it for [Known] knows
// of every erasure that is older than that, or refuses to say anything.
package erased

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// readEvery is how often it is asked whether anything has changed.
	readEvery = 3 * time.Second
	// Known is how long after it was committed an erasure is known to every process that
	// writes logs. What it knows from before then is worth nothing to it any more: it reads
	// again before it writes, or doesn't write.
	Known = 8 * time.Second
)

// database is the part of a pgx pool that is used.
type database interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
}

// Users are the users who were erased. They are safe for concurrent use.
type Users struct {
	database database
	logger   *slog.Logger

	known atomic.Pointer[known]
	// reading is held by whoever reads, so that nobody waits for more than one read.
	reading sync.Mutex
	changed []func() // under reading
}

// known is what was read last. It is never changed.
type known struct {
	users  map[uuid.UUID]struct{}
	digest digest
	// asOf is when it was begun to ask for it, by the clock of this process.
	asOf time.Time
}

// digest tells whether the list of users is another one than before.
type digest struct {
	Count int64
	Sum   string
}

const digestSQL = `count(*), coalesce(sum(uuid_hash_extended(user_id, 0)), 0)::text`

// list is the list of users with its digest, both of the same instant: it may change between
// two statements.
type list struct {
	Count int64
	Sum   string
	Users []uuid.UUID
}

func (l list) digest() digest { return digest{l.Count, l.Sum} }

// NewUsers returns the users who were erased, in a database that must be migrated. Nothing
// is known yet.
func NewUsers(database database, logger *slog.Logger) *Users {
	return &Users{database: database, logger: logger}
}

// OnChange makes a function be called when the list of users is found to have changed: what
// is kept in memory may be of one of them.
func (u *Users) OnChange(changed func()) {
	u.reading.Lock()
	defer u.reading.Unlock()
	u.changed = append(u.changed, changed)
}

// Current returns a function that reports whether a user was erased, as it was known at most
// [Known] ago. It reads that from the database only if what is known is older.
func (u *Users) Current(ctx context.Context) (wasErased func(user uuid.UUID) bool, err error) {
	now := u.known.Load()
	if !now.isRecent() {
		if now, err = u.readNow(ctx); err != nil {
			return nil, err
		}
	}
	return now.has, nil
}

func (k *known) isRecent() bool { return k != nil && time.Since(k.asOf) < Known }

func (k *known) has(user uuid.UUID) bool {
	_, has := k.users[user]
	return has
}

// readNow is Read, unless somebody else has just done so.
func (u *Users) readNow(ctx context.Context) (*known, error) {
	u.reading.Lock()
	defer u.reading.Unlock()
	if now := u.known.Load(); now.isRecent() {
		return now, nil
	}
	return u.read(ctx)
}

// Read reads who was erased.
func (u *Users) Read(ctx context.Context) error {
	u.reading.Lock()
	defer u.reading.Unlock()
	_, err := u.read(ctx)
	return err
}

// read must be called with u.reading held. Nothing but a digest is read if that is the same
// as before. It doesn't depend on clocks: so a user who isn't erased any more is noticed, and
// so is a database that was restored.
func (u *Users) read(ctx context.Context) (*known, error) {
	asOf := time.Now()
	rows, err := u.database.Query(ctx, `SELECT `+digestSQL+` FROM learninglog_erased_users`)
	if err != nil {
		return nil, fmt.Errorf("reading who was erased: %w", err)
	}
	now, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[digest])
	if err != nil {
		return nil, fmt.Errorf("reading who was erased: %w", err)
	}
	before := u.known.Load()
	if before != nil && before.digest == now {
		same := &known{users: before.users, digest: now, asOf: asOf}
		u.known.Store(same)
		return same, nil
	}
	rows, err = u.database.Query(ctx, `SELECT `+digestSQL+`, coalesce(array_agg(user_id), '{}') FROM learninglog_erased_users`)
	if err != nil {
		return nil, fmt.Errorf("reading who was erased: %w", err)
	}
	list, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[list])
	if err != nil {
		return nil, fmt.Errorf("reading who was erased: %w", err)
	}
	users := make(map[uuid.UUID]struct{}, len(list.Users))
	for _, user := range list.Users {
		users[user] = struct{}{}
	}
	found := &known{users: users, digest: list.digest(), asOf: asOf}
	u.known.Store(found)
	for _, changed := range u.changed {
		changed()
	}
	return found, nil
}

// Run reads again and again who was erased, until ctx ends.
func (u *Users) Run(ctx context.Context) {
	reading := time.NewTicker(readEvery)
	defer reading.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-reading.C:
		}
		err := u.readInTime(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			u.logger.WarnContext(ctx, "it can't be read who was erased; writes will wait for that", slog.Any("error", err))
		}
		failed = err != nil
	}
}

// readInTime gives up when it is to be read again.
func (u *Users) readInTime(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readEvery)
	defer cancel()
	return u.Read(ctx)
}
