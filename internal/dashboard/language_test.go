package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

	"learninglog/internal/pgtest"
)

// askIn asks for a page as somebody who prefers a language.
func askIn(t *testing.T, site http.Handler, language, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	request.Header.Set("Accept-Language", language)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	site.ServeHTTP(answer, request)
	return answer
}

func TestPagesAreInTheLanguageOfTheirVisitor(t *testing.T) {
	t.Parallel()
	pool, now := pgtest.Pool(t), time.Now().UTC()
	post(t, pool, uuid.New(), 1234, now.Format(time.RFC3339))
	site := site(t, pool, time.UTC)
	for language, want := range map[string][]string{
		"en":    {`<html lang="en">`, "<h1>What was learned</h1>", "1,234 words in 1 log"},
		"en-US": {`<html lang="en-US">`, "<h1>What was learned</h1>", now.Format("January 2, 2006")},
		"de-AT": {`<html lang="de">`, "<h1>Was gelernt wurde</h1>", "1.234 Wörter in 1 Eintrag", "Zuletzt aktiv"},
		"ja":    {`<html lang="ja">`, "<h1>学習の記録</h1>", "1,234語（記録1件）", now.Format("2006年1月2日")},
		"fr":    {`<html lang="en">`, "<h1>What was learned</h1>"},
	} {
		answer := askIn(t, site, language, "/")
		assert.Equal(t, http.StatusOK, answer.Code)
		shown := textOf(t, answer)
		for _, text := range want {
			assert.Contains(t, shown, text, language)
		}
		assert.NotContains(t, shown, "start.", "each text has been found")
		assert.Contains(t, answer.Header().Values("Vary"), "Accept-Language")
		assert.Contains(t, want[0], `"`+answer.Header().Get("Content-Language")+`"`)
	}
}

func TestACachedPageIsOfOneLanguage(t *testing.T) {
	t.Parallel()
	pool, learner := pgtest.Pool(t), uuid.New()
	post(t, pool, learner, 1234, time.Now().UTC().Format(time.RFC3339))
	site := site(t, pool, time.UTC)
	seen := make(map[string]bool)
	for range 2 {
		for _, language := range []string{"en", "en-US", "de", "ja"} {
			answer := askIn(t, site, language, "/users/"+learner.String(), "Accept-Encoding", "gzip")
			assert.Equal(t, "gzip", answer.Header().Get("Content-Encoding"))
			assert.Equal(t, language, answer.Header().Get("Content-Language"))
			assert.Contains(t, answer.Header().Values("Vary"), "Accept-Language")
			assert.Contains(t, textOf(t, answer), `<html lang="`+language+`">`)
			seen[answer.Header().Get("ETag")] = true
		}
	}
	assert.Len(t, seen, 4, "each language has its own")
}

func TestAProblemThatLearnersMeetIsSaidInTheirLanguage(t *testing.T) {
	t.Parallel()
	site := site(t, pgtest.Pool(t), time.UTC)
	german := askIn(t, site, "de", "/users/nobody")
	assert.Equal(t, http.StatusNotFound, german.Code)
	shown := textOf(t, german)
	assert.Contains(t, shown, "<h1>Hier ist nichts</h1>")
	assert.Contains(t, shown, "<title>Hier ist nichts · learninglog</title>")
	assert.Contains(t, shown, `lang="en">Learners are named by a UUID`)
	assert.Contains(t, shown, ">Zur Startseite</a>")

	english := textOf(t, askIn(t, site, "en-GB", "/users/nobody"))
	assert.Contains(t, english, "<h1>There is no such learner</h1>", "which says more")
	assert.NotContains(t, english, "There is nothing here")
}
