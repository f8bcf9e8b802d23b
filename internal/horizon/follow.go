package horizon

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// followEvery is how often a process reads the horizon.
	followEvery = 4 * time.Second
	// SettleTime is after how long every process refuses what the horizon says, and has
	// written what it had accepted before: a few times as long as it takes.
	SettleTime = time.Minute
)

// Follower knows the horizon of a database.
type Follower struct {
	database Database
	keep     time.Duration // 0 is for ever
	logger   *slog.Logger
	known    atomic.Pointer[Horizon]
}

// Follow returns a follower that has read the horizon. If logs are to be kept only so long,
// it also raises the horizon, now and in [Follower.Run].
func Follow(ctx context.Context, database Database, keep time.Duration, logger *slog.Logger) (*Follower, error) {
	f := &Follower{database: database, keep: keep, logger: logger}
	return f, f.look(ctx)
}

// Known returns the horizon as of a few seconds ago.
func (f *Follower) Known() Horizon { return *f.known.Load() }

// RefusedBefore returns the instant before which logs are not recorded. The zero time
// means that none is refused.
func (f *Follower) RefusedBefore() time.Time { return f.Known().RefusedBefore }

// PurgedBefore returns the instant before which logs were purged. The zero time means that
// none was.
func (f *Follower) PurgedBefore() time.Time { return f.Known().PurgedBefore }

// Run follows the horizon until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := f.look(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			f.logger.WarnContext(ctx, "it can't be read before when logs are refused; what is known holds", slog.Any("error", err))
		}
		failed = err != nil
	}
}

// look reads the horizon, and raises it if it is time to. It gives up when it is time to look
// again. It reads first, because others may have raised the horizon even while this process
// can't write.
func (f *Follower) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, followEvery)
	defer cancel()
	if err := f.read(ctx); err != nil || f.keep == 0 {
		return err
	}
	if err := Raise(ctx, f.database, f.keep, Step); err != nil {
		return err
	}
	return f.read(ctx)
}

func (f *Follower) read(ctx context.Context) error {
	known, err := Read(ctx, f.database, SettleTime)
	if err != nil {
		return err
	}
	f.known.Store(&known)
	return nil
}
