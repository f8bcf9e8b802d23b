package problem_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"

	"learninglog/command"
	"learninglog/internal/access"
	"learninglog/internal/audit"
	"learninglog/internal/problem"
	"learninglog/query"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

func TestErrorsBecomeProblems(t *testing.T) {
	t.Parallel()
	errAway, errUnknown := errors.New("the database is away"), errors.New("the password is secret")
	for _, test := range []struct {
		err        error
		kind       problem.Kind
		location   string
		retryAfter string
		logged     bool
	}{
		{query.ErrNotFound, problem.NotFound, "", "", false},
		{query.ErrBadCursor, problem.Invalid, "query.cursor", "", false},
		{audit.ErrBadCursor, problem.Invalid, "query.cursor", "", false},
		{rollup.ErrEmptyRange, problem.Invalid, "query.from", "", false},
		{rollup.ErrTooManyPeriods, problem.Invalid, "query.to", "", false},
		{rebuild.ErrNotFound, problem.NotFound, "", "", false},
		{rebuild.ErrNoQueue, problem.NotFound, "", "", false},
		{rebuild.ErrTooManyUsers, problem.Invalid, "query.user_ids", "", false},
		{command.ErrFull, problem.Unavailable, "", "7", true},
		{problem.Busy{Detail: "Too many are here."}, problem.Unavailable, "", "2", true},
		{command.ErrShareFull, problem.Unavailable, "", "7", true},
		{rebuild.ErrTooMany, problem.Unavailable, "", "30", true},
		{rebuild.ErrTooManyOfOne, problem.Unavailable, "", "30", false},
		{access.ErrNotLookedUp, problem.Unavailable, "", "2", true},
		{command.ErrStopped, problem.Unavailable, "", "2", false},
		{query.ErrSumTooLarge, problem.SumTooLarge, "", "", true},
		{&pgconn.PgError{Code: "22003", Message: "bigint out of range, secret"}, problem.Unavailable, "", "60", true},
		{&pgconn.PgError{Code: "22001"}, problem.Internal, "", "", true},
		{context.Canceled, problem.Unavailable, "", "", false},
		{errAway, problem.Unavailable, "", "2", true},
		{errUnknown, problem.Internal, "", "", true},
		{problem.TooLarge.New("by far"), problem.TooLarge, "", "", false},
	} {
		t.Run(test.err.Error(), func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			table := problem.NewTable(
				func(err error) bool { return errors.Is(err, errAway) },
				func() time.Duration { return 7 * time.Second },
				slog.New(slog.NewTextHandler(&log, nil)))
			ctx := problem.WithRequestID(t.Context(), "an-id")

			wrong := table.Of(ctx, fmt.Errorf("doing something: %w", test.err), "query")

			assert.Equal(t, test.kind, wrong.Kind())
			location := ""
			if len(wrong.Errors) > 0 {
				location = wrong.Errors[0].Location
			}
			assert.Equal(t, test.location, location)
			assert.Equal(t, test.logged, log.Len() > 0, "%s", log.String())
			if test.logged {
				assert.Contains(t, log.String(), "http_request_id=an-id")
			}
			answer := httptest.NewRecorder()
			wrong.WriteJSON(answer)
			assert.Equal(t, test.kind.Status, answer.Code)
			assert.Equal(t, test.retryAfter, answer.Header().Get("Retry-After"))
			assert.Equal(t, problem.MediaType, answer.Header().Get("Content-Type"))
			assert.NotContains(t, answer.Body.String(), "secret")
		})
	}
}

func TestEveryKindIsListedOnce(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	for _, kind := range problem.Kinds() {
		assert.False(t, names[kind.Name], kind.Name)
		names[kind.Name] = true
		assert.NotEmpty(t, http.StatusText(kind.Status), kind.Name)
		assert.NotEmpty(t, kind.Title, kind.Name)
		assert.NotEmpty(t, kind.Help, kind.Name)
	}
}

func TestHTMLIsHarmless(t *testing.T) {
	t.Parallel()
	wrong := problem.Invalid.New("", problem.Field{Location: "from", Message: "must not be <script>"})
	assert.Equal(t, `<h1>The request is not valid</h1>
<p>The errors say which fields are wrong and what would be right. Don&#39;t send it again unchanged.</p>
<ul>
<li><strong>from</strong> must not be &lt;script&gt;</li>
</ul>
`, string(wrong.HTML()))
}
