package command

import (
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// known remembers which logs were recorded lately, by this process or by others. A log
// that is sent again is then looked up, which is cheaper than trying to write it.
//
// It only says where to begin, and may be wrong: whatever it says, the outcome is the
// database's. So it needs to forget nothing when logs are voided or given other offsets,
// by whomever, nor when commits are lost by a failover or a restore.
type known struct {
	// slots has a part of the fingerprint of a log, at a place that another part tells.
	// A log takes the slot of an earlier one.
	slots []atomic.Uint32
}

// knownSlots is for about a million logs. They take 4 MiB.
const knownSlots = 1 << 20

func newKnown() *known { return &known{slots: make([]atomic.Uint32, knownSlots)} }

// fingerprint returns a hash of the key, which is the same in every process. Two keys may
// have the same one.
func (k logKey) fingerprint() uint64 {
	var bytes [len(k.userID) + len(k.requestID)]byte
	copy(bytes[:], k.userID[:])
	copy(bytes[len(k.userID):], k.requestID[:])
	return xxhash.Sum64(bytes[:])
}

func (k *known) add(fingerprint uint64) { k.slots[fingerprint%knownSlots].Store(rest(fingerprint)) }

func (k *known) has(fingerprint uint64) bool {
	return k.slots[fingerprint%knownSlots].Load() == rest(fingerprint)
}

// rest is a part of the fingerprint that the place of its slot doesn't tell.
func rest(fingerprint uint64) uint32 { return uint32(fingerprint >> 32) } //nolint:mnd // the upper half
