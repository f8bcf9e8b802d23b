package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"learninglog/internal/sharding"
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
	// ErrShareFull means that as many logs of this caller wait as may of one caller. It
	// is an [ErrFull].
	ErrShareFull = fmt.Errorf("%w of this caller", ErrFull)
	// ErrStopped means that the recorder is closed.
	ErrStopped = errors.New("the recorder is closed")
)

// Config configures a [Recorder]. A field with its zero value gets its default.
type Config struct {
	// Limits restricts the logs that are accepted. Default: [DefaultLimits].
	Limits Limits
	// Horizon tells which logs are too old. Default: none.
	Horizon Horizon
	// Zone is the zone of the learners whose logs have none. Default: UTC.
	Zone *time.Location
	// Nodes are those of the cluster, if the tables are distributed over one.
	Nodes *sharding.Nodes
	// MaxBatch limits the logs in one commit, approximately: once a batch has as
	// many, no further call is added to it. With 1, no two calls share a commit.
	MaxBatch int
	// Lanes is the maximum number of batches that are written at the same time, each
	// on its own connection. Every user belongs to one lane. If the tables are
	// distributed, each node has so many lanes.
	Lanes int
	// MaxWaiting limits how many logs wait to be written. If as many are waiting, a
	// call fails with [ErrFull]. Calls with more than 100 logs may fill half of the room,
	// and one caller half of what all may, or it fails with [ErrShareFull]. Whatever its
	// size, a call is accepted while none of its kind waits, because a large one might
	// otherwise never be.
	MaxWaiting int
	// Timeout limits the time to write one batch.
	Timeout time.Duration
	// Erased are the users of whom nothing is recorded. Default: none.
	Erased ErasedUsers
	// Logger gets what went wrong in the recorder itself. Default: [slog.Default].
	Logger *slog.Logger
	// Broken is called if the recorder can't go on, because of a bug. Then it accepts
	// nothing more, and what it had accepted may get no outcome. Default: it panics.
	Broken func(error)
	// Observer is notified of the writes. Default: none.
	Observer Observer
	// Peers are other recorders of the same database. They needn't be told anything, and
	// [Recorder.Hear] may be told anything: it only makes logs that are sent again to
	// another recorder cheaper. Default: none.
	Peers Peers
}

// ErasedUsers are the users of whom nothing is to be recorded.
type ErasedUsers interface {
	// Current returns a function that reports whether a user was erased, as it was known a
	// few seconds ago or later. It is called before each batch is written, so it should
	// know that by heart. If it fails, nothing of the batch is written.
	Current(ctx context.Context) (wasErased func(user uuid.UUID) bool, err error)
}

type nobodyErased struct{}

func (nobodyErased) Current(context.Context) (func(uuid.UUID) bool, error) {
	return func(uuid.UUID) bool { return false }, nil
}

// Peers are other recorders of the same database.
type Peers interface {
	// Tell is called with the fingerprints of logs that are in the database, after each
	// batch. It mustn't keep the slice, nor wait for anything. What the others do with it
	// is to call [Recorder.Hear].
	Tell(recorded []uint64)
}

func (c Config) withDefaults() Config {
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits()
	}
	if c.Horizon == nil {
		c.Horizon = never{}
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
	if c.Erased == nil {
		c.Erased = nobodyErased{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Broken == nil {
		c.Broken = func(err error) { panic(err) }
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	return c
}
