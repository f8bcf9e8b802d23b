package sharding

import (
	"encoding/binary"
	"math/bits"

	"github.com/google/uuid"
)

// hash is PostgreSQL's uuid_hash, by which Citus assigns users to shards: Bob Jenkins's
// lookup3 of sixteen bytes (src/common/hashfn.c of PostgreSQL). It is part of how tables
// are partitioned and of what is stored in hash indexes, so it never changes.
func hash(id uuid.UUID) int32 {
	const start = 0x9e3779b9 + uint32(len(id)) + 3923095
	word := func(n int) uint32 { return binary.LittleEndian.Uint32(id[4*n:]) }
	a, b, c := mixed(start+word(0), start+word(1), start+word(2))
	return int32(final(a+word(3), b, c)) //nolint:gosec,mnd // PostgreSQL reads the same bits as a signed number
}

func mixed(a, b, c uint32) (uint32, uint32, uint32) {
	a = (a - c) ^ bits.RotateLeft32(c, 4)
	c += b
	b = (b - a) ^ bits.RotateLeft32(a, 6)
	a += c
	c = (c - b) ^ bits.RotateLeft32(b, 8)
	b += a
	a = (a - c) ^ bits.RotateLeft32(c, 16)
	c += b
	b = (b - a) ^ bits.RotateLeft32(a, 19)
	a += c
	c = (c - b) ^ bits.RotateLeft32(b, 4)
	b += a
	return a, b, c
}

func final(a, b, c uint32) uint32 {
	c = (c ^ b) - bits.RotateLeft32(b, 14)
	a = (a ^ c) - bits.RotateLeft32(c, 11)
	b = (b ^ a) - bits.RotateLeft32(a, 25)
	c = (c ^ b) - bits.RotateLeft32(b, 16)
	a = (a ^ c) - bits.RotateLeft32(c, 4)
	b = (b ^ a) - bits.RotateLeft32(a, 14)
	return (c ^ b) - bits.RotateLeft32(b, 24)
}
