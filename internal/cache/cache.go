// Package cache keeps answers in memory, each with the data it was made from.
//
// Begin with [New]. An answer is used again only while the data is equal to that: the
// caller reads the data each time, and saves only making the answer.
package cache

import (
	"github.com/maypok86/otter/v2"
)

// Source is the data an answer is made from.
type Source[S any] interface {
	// Equal says whether the same answer would be made from other.
	Equal(other S) bool
	// Size is about how many bytes it takes in memory.
	Size() int
}

// Answer is an answer made from a source.
type Answer interface {
	// Size is about how many bytes it takes in memory.
	Size() int
}

// Cache has the answers that are requested most, by a key. It is safe for concurrent
// use.
type Cache[S Source[S], A Answer] struct {
	entries  *otter.Cache[string, entry[S, A]]
	maxEntry int
}

type entry[S Source[S], A Answer] struct {
	source S
	answer A
}

// size is about how many bytes the entry takes with its key.
func (e entry[S, A]) size(key string) int {
	const overhead = 512 // of the cache itself, for each entry
	return overhead + len(key) + e.source.Size() + e.answer.Size()
}

// New returns an empty cache that takes about maxBytes of memory at most, and keeps no
// answer that takes more than maxEntry bytes with its source and its key.
func New[S Source[S], A Answer](maxBytes uint64, maxEntry uint32) *Cache[S, A] {
	return &Cache[S, A]{
		entries: otter.Must(&otter.Options[string, entry[S, A]]{
			MaximumWeight: maxBytes,
			Weigher: func(key string, e entry[S, A]) uint32 {
				return uint32(e.size(key)) //nolint:gosec // at most maxEntry
			},
		}),
		maxEntry: int(maxEntry),
	}
}

// Clear forgets all answers.
func (c *Cache[S, A]) Clear() { c.entries.InvalidateAll() }

// Get returns the answer with a key if it was made from an equal source. Otherwise it
// makes the answer, and keeps it. The errors are those of makeAnswer.
func (c *Cache[S, A]) Get(key string, source S, makeAnswer func() (A, error)) (A, error) {
	if found, ok := c.entries.GetIfPresent(key); ok && found.source.Equal(source) {
		return found.answer, nil
	}
	answer, err := makeAnswer()
	if err != nil {
		return answer, err
	}
	made := entry[S, A]{source: source, answer: answer}
	if made.size(key) <= c.maxEntry {
		c.entries.Set(key, made)
	}
	return answer, nil
}
