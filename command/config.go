package command

import (
	"errors"
	"time"
)

// Defaults of [Config].
const (
	DefaultMaxBatch   = 1000
	DefaultLanes      = 2
	DefaultMaxWaiting = 20_000
	DefaultTimeout    = 15 * time.Second
)

// Errors of logs that were not written: see [Outcome].
var (
	// ErrFull means that too many logs wait to be written.
	ErrFull = errors.New("too many logs wait to be written")
	// ErrStopped means that the recorder is closed.
	ErrStopped = errors.New("the recorder is closed")
)

// Config configures a [Recorder]. A field with its zero value gets its default.
type Config struct {
	// Limits restricts the logs that are accepted. Default: [DefaultLimits].
	Limits Limits
	// Zone is the zone of the learners whose logs have none. Default: UTC.
	Zone *time.Location
	// MaxBatch limits the logs in one commit, approximately: once a batch has as
	// many, no further call is added to it. With 1, no two calls share a commit.
	MaxBatch int
	// Lanes is the maximum number of batches that are written at the same time, each
	// on its own connection. Every user belongs to one lane.
	Lanes int
	// MaxWaiting limits how many logs wait to be written. If as many are waiting, a
	// call fails with [ErrFull]. If fewer are waiting, it is accepted whatever its
	// size, because a large call might otherwise never find room.
	MaxWaiting int
	// Timeout limits the time to write one batch.
	Timeout time.Duration
	// Observer is notified of the writes. Default: none.
	Observer Observer
}

func (c Config) withDefaults() Config {
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits()
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.MaxBatch == 0 {
		c.MaxBatch = DefaultMaxBatch
	}
	if c.Lanes == 0 {
		c.Lanes = DefaultLanes
	}
	if c.MaxWaiting == 0 {
		c.MaxWaiting = DefaultMaxWaiting
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	return c
}
