package query

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"
)

// Cursor is the position of a log in a user's list. The next page begins after that
// log.
type Cursor struct {
	// Timestamp has microsecond precision.
	Timestamp time.Time
	RequestID uuid.UUID
}

// ErrBadCursor means that a text is not a cursor that a page has returned.
var ErrBadCursor = errors.New("not a cursor")

const (
	cursorVersion = 1
	cursorSize    = 1 + 8 + 16 // version, microseconds since 1970, request id
)

// String returns the cursor as URL-safe text. The text is opaque to clients.
func (c Cursor) String() string {
	raw := make([]byte, 0, cursorSize)
	raw = append(raw, cursorVersion)
	raw = binary.BigEndian.AppendUint64(raw, uint64(c.Timestamp.UnixMicro()))
	raw = append(raw, c.RequestID[:]...)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// ParseCursor is the inverse of [Cursor.String]. It fails with [ErrBadCursor].
func ParseCursor(text string) (Cursor, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != cursorSize || raw[0] != cursorVersion {
		return Cursor{}, ErrBadCursor
	}
	cursor := Cursor{
		Timestamp: time.UnixMicro(int64(binary.BigEndian.Uint64(raw[1:9]))).UTC(), //nolint:gosec // two's complement is intended
		RequestID: uuid.UUID(raw[9:]),
	}
	// Only timestamps of these years can be recorded.
	if year := cursor.Timestamp.Year(); year < 1 || year > 9999 {
		return Cursor{}, ErrBadCursor
	}
	return cursor, nil
}
