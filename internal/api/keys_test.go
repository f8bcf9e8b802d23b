package api

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/problem"
)

func TestWhatIsWrongWithAKeyIsLocatedInTheBody(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ body, location, message string }{
		{`{"name":" ","scopes":["keys"]}`, "body.name", "must be of 1 to 100 printable characters"},
		{`{"name":"x","scopes":["all"]}`, "body.scopes", "must be of logs:write, logs:read, rebuilds, keys"},
		{`{"name":"x","scopes":["keys"],"expires_at":"2020-01-01T00:00:00Z"}`, "body.expires_at", "must be in the future"},
	} {
		_, err := decodeKey([]byte(test.body))
		wrong, ok := errors.AsType[*problem.Problem](err)
		require.True(t, ok, test.body)
		assert.Equal(t, []problem.Field{{Location: test.location, Message: test.message}}, wrong.Errors, test.body)
	}
}
