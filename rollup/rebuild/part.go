package rebuild

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// Part is a range of the users of a scope that is still to be compared: From through
// Last, in key order. If Last is before From, the range wraps around, as on a clock:
// the first user follows the last one.
type Part struct {
	From uuid.UUID `json:"from"`
	// At is set if some periods of the user From have been compared already: only
	// its periods that start at At or later are left.
	At   *rollup.Date `json:"at,omitempty"`
	Last uuid.UUID    `json:"last"`
	// Sample limits the part to some users, in a scope of everything. Nil means all
	// users.
	Sample *Sample `json:"sample,omitempty"`

	// page caches the next users, if the part has only some users, so that they
	// aren't listed again for every chunk. It isn't saved with the job: after a
	// restart the users are listed again.
	page *userPage
	// width is about how far apart the first and the last user of a chunk are, if the
	// tables are distributed. It isn't saved either.
	width uint64
}

// Whole returns the part that has all users.
func Whole() Part { return Part{Last: uuid.Max} }

// Split divides all users into at most n parts with about as many logs each.
func Split(ctx context.Context, tx pgx.Tx, n int) ([]Part, error) {
	if n == 1 {
		return []Part{Whole()}, nil
	}
	tables, err := layoutOf(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("dividing the users: %w", err)
	}
	// A sample of a thousand pages is enough to see how logs spread over users.
	var percent float64
	size := `SELECT 100 * least(1, 1000 / greatest(1, ` + tables.sizeSQL() + ` / current_setting('block_size')::float8))`
	if err := tx.QueryRow(ctx, size).Scan(&percent); err != nil {
		return nil, fmt.Errorf("dividing the users: %w", err)
	}
	const query = `
		SELECT percentile_disc(@fractions::float8[]) WITHIN GROUP (ORDER BY user_id)
		FROM learning_log TABLESAMPLE SYSTEM (@percent)`
	fractions := make([]float64, n-1)
	for i := range fractions {
		fractions[i] = float64(i+1) / float64(n)
	}
	var bounds []uuid.UUID
	if err := tx.QueryRow(ctx, query, pgx.NamedArgs{"fractions": fractions, "percent": percent}).Scan(&bounds); err != nil {
		return nil, fmt.Errorf("dividing the users: %w", err)
	}
	parts := []Part{Whole()}
	for _, bound := range slices.Compact(bounds) {
		if bound == uuid.Nil {
			continue
		}
		last := &parts[len(parts)-1]
		last.Last = userBefore(bound)
		parts = append(parts, Part{From: bound, Last: uuid.Max})
	}
	return parts, nil
}

// end returns the last user of the part, or the last possible user if the part wraps
// around.
func (p Part) end() uuid.UUID {
	if compareIDs(p.Last, p.From) < 0 {
		return uuid.Max
	}
	return p.Last
}

// restFrom returns what is left of the part from a user on. If date isn't nil, only
// the periods that start then or later are left of that user.
func (p Part) restFrom(user uuid.UUID, date *rollup.Date) *Part {
	p.From, p.At = user, date
	return &p
}

// after returns what is left of the part after a user, or nil if nothing is.
func (p Part) after(user uuid.UUID) *Part {
	if user == p.Last {
		return nil
	}
	return p.restFrom(userAfter(user), nil)
}

func compareIDs(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }

// userAfter returns the user id that follows id in key order. After the highest id
// it wraps around to the nil UUID.
func userAfter(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]++
		if id[i] != 0 {
			break
		}
	}
	return id
}

// userBefore is the inverse of userAfter.
func userBefore(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]--
		if id[i] != 0xff {
			break
		}
	}
	return id
}
