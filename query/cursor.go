package query

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"
)

// Cursor is the place of a log in a user's list: the next page begins after it.
type Cursor struct {
	// Timestamp is to the microsecond.
	Timestamp time.Time
	RequestID uuid.UUID
}

// ErrBadCursor is the error of a text that no page gave out as its cursor.
var ErrBadCursor = errors.New("not a cursor")

const (
	cursorVersion = 1
	cursorSize    = 1 + 8 + 16 // version, microseconds since 1970, request id
)

// String returns the cursor as text that is safe in a URL and means nothing to
// a client.
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
		Timestamp: time.UnixMicro(int64(binary.BigEndian.Uint64(raw[1:9]))).UTC(), //nolint:gosec // two's complement is meant
		RequestID: uuid.UUID(raw[9:]),
	}
	// A list holds only what was recorded, and that is of these years.
	if year := cursor.Timestamp.Year(); year < 1 || year > 9999 {
		return Cursor{}, ErrBadCursor
	}
	return cursor, nil
}
