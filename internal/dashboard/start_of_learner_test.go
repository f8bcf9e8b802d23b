package dashboard_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/pgtest"
)

func TestWhoeverIsLimitedToALearnerSeesNobodyElseAtTheStart(t *testing.T) {
	t.Parallel()
	pool, other, learner := pgtest.Pool(t), uuid.New(), uuid.New()
	post(t, pool, other, 20, "2026-03-04T07:00:00Z")
	site := site(t, pool, time.UTC)
	ask := func(ctx context.Context, path string) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		site.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
		return answer
	}
	everybody := access.With(t.Context(), &access.Identity{Scopes: access.Scopes()})
	limited := access.With(t.Context(), &access.Identity{Scopes: access.Scopes(), Learner: &learner})

	assert.Contains(t, ask(everybody, "/").Body.String(), other.String())
	for _, path := range []string{"/", "/users?id=nonsense", "/users"} {
		answer := ask(limited, path)
		assert.Equal(t, http.StatusSeeOther, answer.Code, path)
		assert.Equal(t, "/users/"+learner.String(), answer.Header().Get("Location"), path)
		assert.NotContains(t, answer.Body.String(), other.String(), path)
	}
}

func TestLearnersAreShownByTheirNames(t *testing.T) {
	t.Parallel()
	pool, named, unnamed := pgtest.Pool(t), uuid.New(), uuid.New()
	for _, user := range []uuid.UUID{named, unnamed} {
		post(t, pool, user, 20, "2026-03-04T07:00:00Z")
	}
	_, err := pool.Exec(t.Context(), `INSERT INTO learning_log_settings (user_id, display_name) VALUES ($1, 'Mia <b>')`, named)
	require.NoError(t, err)
	answer := httptest.NewRecorder()

	site(t, pool, time.UTC).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))

	for user, name := range map[uuid.UUID]string{named: "Mia &lt;b&gt;", unnamed: "Learner " + unnamed.String()[:8]} {
		assert.Contains(t, answer.Body.String(), `<a href="/users/`+user.String()+`" title="`+user.String()+`"><bdi>`+name+`</bdi></a>`)
	}
}
