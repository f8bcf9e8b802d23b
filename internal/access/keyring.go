package access

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/time/rate"

	"learninglog/internal/caller"
)

const (
	// readEvery is how often a keyring reads what has changed. Twice this, and a slow
	// database, is within the ten seconds in which a key that was revoked is refused.
	readEvery = 4 * time.Second
	// readAllEvery is how often all keys are read again. So one whose row is gone, as after
	// a back-up was restored, is forgotten.
	readAllEvery = time.Minute
	// lookUpPatience is how long the database may take to look up a key.
	lookUpPatience = 5 * time.Second
	// lateCommits is how long a transaction that changes a key may have taken.
	lateCommits = time.Minute
	// noteUseEvery is how often it is noted that a key was used.
	noteUseEvery = 5 * time.Minute
	// Keys that aren't known are looked up at most so often, because whoever makes them up
	// must not keep the database busy. Those that were just created are found by it.
	lookUpsPerSecond, lookUpsAtOnce = 20, 50
)

// Keyring knows all keys by heart, so that finding one takes a microsecond, and goes on
// knowing them while the database is away. Between [Keyring.Load] and the end of
// [Keyring.Run] it follows what is changed in the database.
type Keyring struct {
	*Keys

	logger *slog.Logger
	// pace limits the logs of a key that has no limit of its own; 0 doesn't.
	pace    int
	lookUps *rate.Limiter

	known atomic.Pointer[map[hash]*entry]
	// changing is held by whoever changes known, which is replaced as a whole.
	changing sync.Mutex
	// readUpTo is when it was read last, by the clock of the database.
	readUpTo time.Time
}

// entry is what is known of a key.
type entry struct {
	key       Key
	changedAt time.Time
	identity  *Identity
	used      atomic.Int64 // seconds since 1970, or 0
}

// NewKeyring returns a keyring that knows no keys yet. logsPerSecond limits a key that has
// no limit of its own; 0 doesn't.
func NewKeyring(database Database, logsPerSecond int, logger *slog.Logger) *Keyring {
	r := &Keyring{Keys: NewKeys(database), logger: logger, pace: logsPerSecond, lookUps: rate.NewLimiter(lookUpsPerSecond, lookUpsAtOnce)}
	r.known.Store(&map[hash]*entry{})
	return r
}

// Revoke is [Keys.Revoke]. The keyring knows of it when it returns.
func (r *Keyring) Revoke(ctx context.Context, id int64) (Key, error) {
	key, err := r.Keys.Revoke(ctx, id)
	if err != nil {
		return Key{}, err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	known := maps.Clone(*r.known.Load())
	for of, e := range known {
		if e.key.ID == id {
			known[of] = r.newEntry(readKey{Key: key, changedAt: *key.RevokedAt}, e)
		}
	}
	r.known.Store(&known)
	return key, nil
}

// Find returns whose key a text is. It fails with [ErrUnknown]. A key that isn't known yet
// is looked up in the database; if too many are already, Find fails with [ErrNotLookedUp].
func (r *Keyring) Find(ctx context.Context, text string) (*Identity, error) {
	made := secret(text)
	if !made.isWellFormed(keyPrefix) {
		return nil, failure{Malformed}
	}
	return r.byHash(ctx, made.hash())
}

// byHeart is Find without the database.
func (r *Keyring) byHeart(text string) (*Identity, error) {
	if len(text) != keyLength {
		return nil, ErrUnknown
	}
	return r.active(secret(text).hash())
}

// byHash is Find by the hash of a key, which is all that sessions know of one.
func (r *Keyring) byHash(ctx context.Context, of hash) (*Identity, error) {
	if _, ok := (*r.known.Load())[of]; !ok {
		if !r.lookUps.Allow() {
			return nil, ErrNotLookedUp
		}
		if err := r.lookUp(ctx, of); err != nil {
			return nil, err
		}
	}
	return r.active(of)
}

// active returns whose key has a hash, of those that are known.
func (r *Keyring) active(of hash) (*Identity, error) {
	found, now := (*r.known.Load())[of], time.Now()
	if found == nil {
		return nil, failure{Unknown}
	}
	if state := found.key.State(now); state != stateActive {
		return nil, failure{Reason(state)}
	}
	found.use(now)
	return found.identity, nil
}

func (e *entry) use(now time.Time) {
	const exact = 60 // seconds; so processors seldom write what others read
	if seconds := now.Unix(); seconds-e.used.Load() >= exact {
		e.used.Store(seconds)
	}
}

// IsEmpty reports whether it knows of no key.
func (r *Keyring) IsEmpty() bool { return len(*r.known.Load()) == 0 }

// Load reads all keys, and forgets those that are gone.
func (r *Keyring) Load(ctx context.Context) error {
	now, _, err := r.now(ctx)
	if err != nil {
		return err
	}
	read, err := r.read(ctx, `true`)
	if err != nil {
		return err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	known := make(map[hash]*entry, len(read))
	for _, k := range read {
		known[k.of()] = r.newEntry(k, (*r.known.Load())[k.of()])
	}
	r.known.Store(&known)
	r.readUpTo = now
	return nil
}

// Run reads what has changed and notes which keys are used, until ctx ends.
func (r *Keyring) Run(ctx context.Context) {
	reading, readingAll, noting := time.NewTicker(readEvery), time.NewTicker(readAllEvery), time.NewTicker(noteUseEvery)
	defer reading.Stop()
	defer readingAll.Stop()
	defer noting.Stop()
	failed := false
	for {
		var err error
		select {
		case <-ctx.Done():
			r.noteUse(context.WithoutCancel(ctx)) // of the last minutes
			return
		case <-reading.C:
			err = inTime(ctx, r.Follow)
		case <-readingAll.C:
			err = inTime(ctx, r.Load)
		case <-noting.C:
			r.noteUse(ctx)
			continue
		}
		if err != nil && !failed && ctx.Err() == nil {
			r.logger.WarnContext(ctx, "keys can't be read; those that are known go on being known", slog.Any("error", err))
		}
		failed = err != nil
	}
}

// inTime reads keys, or gives up when they are to be read again.
func inTime(ctx context.Context, read func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readEvery)
	defer cancel()
	return read(ctx)
}

// Follow reads what has changed since it was read last. If there are fewer keys than are
// known, some are gone, and it reads all.
func (r *Keyring) Follow(ctx context.Context) error {
	r.changing.Lock()
	since := r.readUpTo
	r.changing.Unlock()
	now, keys, err := r.now(ctx)
	if err != nil {
		return err
	}
	if len(*r.known.Load()) > keys {
		return r.Load(ctx)
	}
	if err := r.add(ctx, `changed_at >= $1`, since.Add(-lateCommits)); err != nil {
		return err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	r.readUpTo = now
	return nil
}

// now returns the time by the clock of the database, and how many keys there are.
func (r *Keyring) now(ctx context.Context) (now time.Time, keys int, err error) {
	rows, err := r.database.Query(ctx, `SELECT now(), count(*) FROM learninglog_keys`)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("reading keys: %w", err)
	}
	_, err = pgx.ForEachRow(rows, []any{&now, &keys}, func() error { return nil })
	return now, keys, err
}

func (r *Keyring) lookUp(ctx context.Context, hash hash) error {
	ctx, cancel := context.WithTimeout(ctx, lookUpPatience)
	defer cancel()
	return r.add(ctx, `hash = $1`, hash[:])
}

// add takes in the keys for which a condition holds.
func (r *Keyring) add(ctx context.Context, condition string, arguments ...any) error {
	read, err := r.read(ctx, condition, arguments...)
	if err != nil || len(read) == 0 {
		return err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	known := maps.Clone(*r.known.Load())
	for _, k := range read {
		known[k.of()] = r.newEntry(k, known[k.of()])
	}
	r.known.Store(&known)
	return nil
}

type readKey struct {
	Key

	hash      []byte
	changedAt time.Time
}

func (k readKey) of() hash { return hash(k.hash) }

func (r *Keyring) read(ctx context.Context, condition string, arguments ...any) ([]readKey, error) {
	rows, err := r.database.Query(ctx, `SELECT hash, changed_at, `+keyColumns+` FROM learninglog_keys WHERE `+condition, arguments...)
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	read, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k readKey, err error) {
		err = row.Scan(append([]any{&k.hash, &k.changedAt}, k.columns()...)...)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	return read, nil
}

// newEntry returns what is known of a key, from what was known before. What is newer stays:
// a slow read may end after a later one. What it has used of its pace stays used.
func (r *Keyring) newEntry(read readKey, before *entry) *entry {
	if before != nil && before.isNewerThan(read) {
		return before
	}
	key := read.Key
	e := &entry{key: key, changedAt: read.changedAt, identity: &Identity{
		Name:    fmt.Sprintf("key %d (%s)", key.ID, key.Name),
		Scopes:  key.Scopes,
		Learner: key.UserID,
		Caller:  caller.Named(fmt.Sprintf("key %d", key.ID)),
		Pace:    NewPace(cmp.Or(key.LogsPerSecond, r.pace)),
	}}
	if before != nil {
		e.used.Store(before.used.Load())
		if before.key.LogsPerSecond == key.LogsPerSecond {
			e.identity.Pace = before.identity.Pace
		}
	}
	return e
}

// isNewerThan reports whether less is known of a key by what was read. Nothing takes back that
// a key was revoked, so that doesn't depend on clocks, which may go back at a failover.
func (e *entry) isNewerThan(read readKey) bool {
	if was, is := e.key.RevokedAt != nil, read.RevokedAt != nil; was != is {
		return was
	}
	return e.changedAt.After(read.changedAt)
}

// NewPace returns a limit of logs a second, or nil for 0. A device that was offline for a
// day may send what it has at once: what ten seconds allow, and no less than an array has.
func NewPace(logsPerSecond int) *rate.Limiter {
	const seconds, array = 10, 10_000
	if logsPerSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(logsPerSecond), max(logsPerSecond*seconds, array))
}

// noteUse notes in the database which keys were used since it was noted last.
func (r *Keyring) noteUse(ctx context.Context) {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var ids, times []int64
	for _, e := range *r.known.Load() {
		if used := e.used.Load(); used != 0 {
			ids, times = append(ids, e.key.ID), append(times, used)
		}
	}
	if ids == nil {
		return
	}
	_, err := r.database.Exec(ctx, `
		UPDATE learninglog_keys SET last_used_at = to_timestamp(used)
		FROM unnest($1::bigint[], $2::bigint[]) AS noted (id, used)
		WHERE key_id = id AND (last_used_at IS NULL OR last_used_at < to_timestamp(used))`, ids, times)
	if err != nil && ctx.Err() == nil {
		r.logger.WarnContext(ctx, "it can't be noted when keys were used", slog.Any("error", err))
	}
}
