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
	// ErrFull: too many logs wait to be written.
	ErrFull = errors.New("too many logs wait to be written")
	// ErrStopped: the recorder is closed.
	ErrStopped = errors.New("the recorder is closed")
)

// Config says how logs are recorded. The zero value of a field is its default.
type Config struct {
	// Limits bounds what is recorded. Default: [DefaultLimits].
	Limits Limits
	// Zone is the zone in whose periods logs are counted. Default: UTC.
	Zone *time.Location
	// MaxBatch is about how many logs are written in one commit, at most: once a
	// batch has as many, no further call gets into it. With 1, no two calls share a
	// commit.
	MaxBatch int
	// Lanes is how many batches are written at the same time, at most, each on a
	// connection of its own. The users are divided among them.
	Lanes int
	// MaxWaiting is how many logs may wait to be written: a call that finds as many
	// waiting fails with [ErrFull]. One that finds fewer is accepted whatever its
	// size, or else a large one might never find room.
	MaxWaiting int
	// Timeout bounds the writing of one batch.
	Timeout time.Duration
	// Observer is told how writing goes. Default: nobody.
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
