package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/problem"
	"learninglog/internal/zones"
)

func newDecoder(t testing.TB) logDecoder {
	t.Helper()
	known, err := zones.Open()
	require.NoError(t, err)
	return logDecoder{limits: command.DefaultLimits(), zones: known}
}

// A client that sent "13" instead of 13 sees what is wrong. No response contains
// what clients can't parse.
func TestAWrongValueIsShownAsItWasSent(t *testing.T) {
	t.Parallel()
	decoder := newDecoder(t)
	long := strings.Repeat("9", 2*mostShown)
	for _, test := range []struct{ field, sent, message, shown string }{
		{"word_count", `"13"`, "must be a whole number from 0 to 1000000, not a string", `"13"`},
		{"word_count", `1.5`, "must be a whole number from 0 to 1000000", `1.5`},
		{"word_count", `null`, "must be a whole number from 0 to 1000000", `null`},
		{"word_count", `true`, "must be a whole number from 0 to 1000000", `true`},
		{"word_count", `1e400`, "must be a whole number from 0 to 1000000", `"1e400"`},
		{"word_count", `[1]`, "must be a whole number from 0 to 1000000", `"[1]"`},
		{"word_count", long, "must be a whole number from 0 to 1000000", `"` + long[:mostShown] + `…"`},
		{"user_id", `5`, "must be a UUID such as 6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11, as a string", `5`},
		{"user_id", `"m\"e"`, "must be a UUID such as 6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11", `"m\"e"`},
		{"time_zone", `"EST"`, "must be an IANA time zone such as Asia/Tokyo, or UTC", `"EST"`},
		{"time_zone", `9`, "must be an IANA time zone such as Asia/Tokyo, or UTC, as a string", `9`},
		{"utc_offset", `"9"`, "must be an offset from -12:00 to +14:00, such as +05:30", `"9"`},
		{"utc_offset", `540`, "must be an offset such as +05:30, as a string", `540`},
	} {
		_, problems, err := decoder.decode("body", []byte(`{"`+test.field+`":`+test.sent+`}`))
		require.NoError(t, err, test.sent)

		wrong := make(map[string]problem.Field)
		for _, field := range problems {
			wrong[field.Location] = field
		}
		shown, err := json.Marshal(wrong["body."+test.field].Value)
		require.NoError(t, err, test.sent)
		assert.Equal(t, []string{test.message, test.shown}, []string{wrong["body."+test.field].Message, string(shown)}, test.sent)
		required := map[string]bool{"request_id": true, "user_id": true, "word_count": true, test.field: true}
		assert.Len(t, problems, len(required), test.sent)
	}
}
