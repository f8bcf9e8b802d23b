package rebuild

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Part is a part of the users of a scope that is still to be looked at: those From
// through Last, in key order. Where Last is before From, the last user is followed
// by the first, as on a clock.
type Part struct {
	From uuid.UUID `json:"from"`
	// At is set where the user From has been looked at in part: only its periods
	// that start at At or later are left.
	At   *time.Time `json:"at,omitempty"`
	Last uuid.UUID  `json:"last"`
	// Sample, in a scope of everything, says of whom the part is; nil is all users.
	Sample *Sample `json:"sample,omitempty"`

	// page has the next of the users, where the part isn't of all. It saves
	// listing them for every chunk. It isn't kept with the job: whoever resumes
	// lists them again.
	page *userPage
}

// Whole is all users.
func Whole() Part { return Part{Last: uuid.Max} }

// Split returns parts that have all users between them and about as many logs
// each, at most n.
func Split(ctx context.Context, tx pgx.Tx, n int) ([]Part, error) {
	if n == 1 {
		return []Part{Whole()}, nil
	}
	// A sample of a thousand pages tells well enough how logs spread over users.
	const query = `
		SELECT percentile_disc(@fractions::float8[]) WITHIN GROUP (ORDER BY user_id)
		FROM learning_log TABLESAMPLE SYSTEM (
		    (SELECT 100 * least(1, 1000 / greatest(1, pg_relation_size('learning_log') / current_setting('block_size')::float8))))`
	fractions := make([]float64, n-1)
	for i := range fractions {
		fractions[i] = float64(i+1) / float64(n)
	}
	var bounds []uuid.UUID
	if err := tx.QueryRow(ctx, query, pgx.NamedArgs{"fractions": fractions}).Scan(&bounds); err != nil {
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

// end returns the last user before the part, as on a clock, comes to the first.
func (p Part) end() uuid.UUID {
	if compareIDs(p.Last, p.From) < 0 {
		return uuid.Max
	}
	return p.Last
}

// restFrom returns what is left of the part from a user on; where instant isn't nil,
// of that user only the periods that start then or later.
func (p Part) restFrom(user uuid.UUID, instant *time.Time) *Part {
	p.From, p.At = user, instant
	return &p
}

// after returns what is left of the part after a user, or nil.
func (p Part) after(user uuid.UUID) *Part {
	if user == p.Last {
		return nil
	}
	return p.restFrom(userAfter(user), nil)
}

func compareIDs(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }

// userAfter returns the user id that follows id in key order: the nil UUID, as
// on a clock, after the last there is.
func userAfter(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]++
		if id[i] != 0 {
			break
		}
	}
	return id
}

// userBefore is the reverse of userAfter.
func userBefore(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]--
		if id[i] != 0xff {
			break
		}
	}
	return id
}
