package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"math/big"
	"strings"
)

// A key is "llk_", 43 characters of 256 random bits, "_" and 6 characters of their CRC-32.
// So programs that look for leaked secrets recognise it without asking. The secret of a share
// link is alike, and begins with "lls_".
const (
	keyPrefix      = "llk_"
	linkPrefix     = "lls_" // as long as keyPrefix
	randomLength   = 43
	checkLength    = 6
	keyLength      = len(keyPrefix) + randomLength + 1 + checkLength
	randomBytes    = 32
	beginningShown = len(keyPrefix) + 4
	digits         = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// secret is a key, or that of a share link, as its owner has it. It is never stored, logged or shown but once.
type secret string

func newSecret(prefix string) secret {
	text := randomText()
	return secret(prefix + text + "_" + checkOf(text))
}

// randomText returns 43 characters of 256 random bits.
func randomText() string {
	random := make([]byte, randomBytes)
	_, _ = rand.Read(random) // never fails
	return inDigits(random, randomLength)
}

// inDigits writes bytes as a number in base 62, with leading zeros.
func inDigits(bytes []byte, length int) string {
	number := new(big.Int).SetBytes(bytes)
	base, digit := big.NewInt(int64(len(digits))), new(big.Int)
	text := make([]byte, length)
	for at := range text {
		number.DivMod(number, base, digit)
		text[length-1-at] = digits[digit.Int64()]
	}
	return string(text)
}

func checkOf(random string) string {
	return inDigits(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(random))), checkLength)
}

// isWellFormed reports whether a text can be a secret that begins with the prefix.
func (s secret) isWellFormed(prefix string) bool {
	if len(s) != keyLength || !strings.HasPrefix(string(s), prefix) {
		return false
	}
	random, check, _ := strings.Cut(string(s[len(prefix):]), "_")
	return check == checkOf(random)
}

// IsKey reports whether a text is meant to be a key.
func IsKey(text string) bool { return strings.HasPrefix(text, keyPrefix) }

type hash [sha256.Size]byte

// hash is made for each request, so it takes no memory for a key.
func (s secret) hash() hash {
	var buffer [keyLength]byte
	return sha256.Sum256(append(buffer[:0], s...))
}

// beginning is how people recognise the key.
func (s secret) beginning() string { return string(s[:beginningShown]) }
