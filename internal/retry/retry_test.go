package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"

	"learninglog/internal/retry"
)

func TestConflicts(t *testing.T) {
	t.Parallel()
	deadlock, other := &pgconn.PgError{Code: pgerrcode.DeadlockDetected}, errors.New("something else")
	for _, test := range []struct {
		name  string
		fails []error // one error per try, and then it succeeds
		want  error
		tries int
	}{
		{"work that succeeds is done once", nil, nil, 1},
		{"a deadlock is tried again", []error{deadlock}, nil, 2},
		{
			"so is a serialization failure",
			[]error{&pgconn.PgError{Code: pgerrcode.SerializationFailure}, deadlock},
			nil, 3,
		},
		{"nothing else is", []error{other}, other, 1},
		{"nor what comes after a deadlock", []error{deadlock, other}, other, 2},
		{
			"eight tries are enough",
			[]error{deadlock, deadlock, deadlock, deadlock, deadlock, deadlock, deadlock, deadlock, other},
			deadlock, 8,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				begun := time.Now()

				err := retry.Conflicts(t.Context(), func() error {
					tries++
					if tries > len(test.fails) {
						return nil
					}
					return test.fails[tries-1]
				})

				assert.Equal(t, test.want, err)
				assert.Equal(t, test.tries, tries)
				assert.Less(t, time.Since(begun), 2*time.Second)
			})
		})
	}
}

func TestConflictsOfACallerThatIsGone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	deadlock := &pgconn.PgError{Code: pgerrcode.DeadlockDetected}
	tries := 0

	err := retry.Conflicts(ctx, func() error {
		tries++
		cancel()
		return deadlock
	})

	assert.Equal(t, error(deadlock), err, "what happened says more than that the caller is gone")
	assert.Equal(t, 1, tries)
}
