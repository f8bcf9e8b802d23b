package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/metrics"
	"learninglog/internal/pgtest"
)

// newShareLink creates a share link. A learner who has too many loses the oldest.
func newShareLink(t testing.TB, pool *pgxpool.Pool, learner uuid.UUID) (access.ShareLink, string) {
	t.Helper()
	links := access.NewShareLinks(pool, metrics.NewAuthentication(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	had, err := links.List(t.Context(), learner)
	require.NoError(t, err)
	if len(had) == access.MaxShareLinks {
		_, err := links.Revoke(t.Context(), learner, had[len(had)-1].ID)
		require.NoError(t, err)
	}
	link, secret, err := links.Create(t.Context(), access.NewShareLink{UserID: learner, Name: "of a test", ExpiresAt: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	return link, secret
}

// shared is a learner who shares a page.
type shared struct {
	*service

	pool    *pgxpool.Pool
	learner uuid.UUID
	request uuid.UUID // of the only log, of today
	key     string    // of the learner
	backend string    // a key of an operator
}

func serveShared(t *testing.T, flags ...string) shared {
	t.Helper()
	databaseURL := pgtest.URL(t)
	s := shared{pool: pgtest.Open(t, databaseURL), learner: uuid.New(), request: uuid.New()}
	s.key = newKey(t, databaseURL, "--scopes=logs:write,logs:read", "--user", s.learner.String())
	s.backend = newKey(t, databaseURL, "--scopes=logs:write,logs:read,rebuilds,keys")
	s.service = serve(t, append(flags, "--auth=keys", "--database-url", databaseURL)...)
	s.reachByAddress()
	got := s.with(s.key, http.MethodPost, "/v1/learning-logs", "application/json", logWithID(s.request, s.learner, 4321))
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	return s
}

func (s shared) path() string { return "/v1/users/" + s.learner.String() + "/share-links" }

// share creates a link by the API, and returns its id and its path.
func (s shared) share(fields string) (id int64, link string) {
	s.t.Helper()
	got := s.with(s.key, http.MethodPost, s.path(), "application/json", `{"name":"Grandma"`+fields+`}`)
	require.Equal(s.t, http.StatusCreated, got.status, "%s", got.body)
	assert.Equal(s.t, "no-store", got.header.Get("Cache-Control"))
	var made struct {
		ID   int64
		Link string
	}
	got.decode(s.t, &made)
	require.Regexp(s.t, `^/shared/lls_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$`, made.Link)
	return made.ID, made.Link
}

// see asks for something as a browser of somebody who isn't logged in.
func (s *service) see(path string, headers ...string) answer {
	s.t.Helper()
	return s.try(http.MethodGet, path, "", append([]string{"Accept", browsers}, headers...)...)
}

// browsers is the Accept header of a browser that goes to an address.
const browsers = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

func TestWhoeverHasAShareLinkSeesThePageAndNothingElse(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	_, link := s.share("")

	page := s.see(link)

	require.Equal(t, http.StatusOK, page.status, "%s", page.body)
	text := string(page.body)
	assert.Contains(t, text, "4,321")
	for _, secret := range []string{
		s.learner.String(), s.request.String(), "/v1/", "/docs", "/admin", "/login", "logout", `method="post"`, "Take back", "export", "share-links", `href="/"`,
	} {
		assert.NotContains(t, text, secret)
	}
	assert.Equal(t, "no-referrer", page.header.Get("Referrer-Policy"))
	assert.Equal(t, "noindex", page.header.Get("X-Robots-Tag"))
	assert.Equal(t, "private, no-cache", page.header.Get("Cache-Control"))
	secret := strings.TrimPrefix(link, "/shared/")
	for _, path := range []string{
		"/", "/users/" + s.learner.String(), "/v1/users/" + s.learner.String() + "/summary", s.path(), "/v1/users/" + s.learner.String() + "/export",
	} {
		assert.Equal(t, http.StatusUnauthorized, s.with(secret, http.MethodPost, "/v1/learning-logs", "application/json", "{}").status)
		assert.Contains(t, []int{http.StatusUnauthorized, http.StatusSeeOther}, s.with(secret, http.MethodGet, path, "", "").status, path)
	}
	for _, path := range []string{"/share-links", "/export", "/learning-logs/" + s.request.String(), "/"} {
		assert.Equal(t, http.StatusNotFound, s.see(link+path).status, path)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, s.try(http.MethodPost, link, "").status)
	login := s.try(http.MethodPost, "/login", url.Values{"key": {secret}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	assert.Equal(t, http.StatusUnauthorized, login.status, "it is no key")
	s.hasNeverSaid(secret)
}

func TestAPageThatIsSharedHasTheNameAndNoMoreOfTheLearner(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	got := s.with(s.key, http.MethodPut, settingsOf(s.learner), "application/json", `{"display_name":"Mia <3","goal":{"words":50,"per":"day"},"freeze_days":2}`)
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	_, link := s.share("")
	own := string(s.with(s.key, http.MethodGet, "/users/"+s.learner.String()+"?ids=include", "", "", "Accept-Encoding", "identity").body)
	for _, parameters := range []string{"", "?ids=include&voided=include&averages=include", "?by=week"} {
		page := string(s.see(link+parameters, "Accept-Encoding", "identity").body)
		assert.Contains(t, page, "<bdi>Mia &lt;3</bdi>")
		assert.Contains(t, page, "4,321")
		for _, never := range []string{`id="logs"`, `id="settings"`, `id="everything"`, s.request.String(), s.learner.String(), "/v1/"} {
			assert.NotContains(t, page, never, parameters)
			assert.Contains(t, own, never, "the learner's own page has it")
		}
	}
}

// hasNeverSaid checks that a secret is in no log, metric or record of what was done.
func (s shared) hasNeverSaid(secret string) {
	s.t.Helper()
	for where, text := range map[string]string{
		"log":     s.log.String(),
		"metrics": string(s.with(s.backend, http.MethodGet, "/metrics", "", "").body),
		"record":  string(s.with(s.backend, http.MethodGet, "/v1/audit", "", "").body),
		"list":    string(s.with(s.key, http.MethodGet, s.path(), "", "").body),
	} {
		require.NotEmpty(s.t, text, where)
		assert.NotContains(s.t, text, secret, where)
		assert.NotContains(s.t, text, secret[4:20], where)
	}
}

func TestBadgesByAShareLinkCanBeShownElsewhere(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	_, link := s.share("")
	for badge, says := range map[string]string{
		"/streak.svg":   "<title>streak: 1 day</title>",
		"/calendar.svg": "<title>4,321 words on 1 day in the last 52 weeks</title>",
	} {
		got := s.try(http.MethodGet, link+badge, "", "Accept", "image/*", "Accept-Encoding", "identity")
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		assert.Equal(t, "image/svg+xml", got.header.Get("Content-Type"))
		assert.Equal(t, "cross-origin", got.header.Get("Cross-Origin-Resource-Policy"))
		assert.Equal(t, "public, max-age=300", got.header.Get("Cache-Control"))
		assert.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"))
		assert.Contains(t, string(got.body), says)
		assert.NotContains(t, string(got.body), s.learner.String())
		again := s.try(http.MethodGet, link+badge, "", "If-None-Match", got.header.Get("ETag"), "Accept-Encoding", "identity")
		assert.Equal(t, http.StatusNotModified, again.status)
		assert.Equal(t, got.header.Get("ETag"), again.header.Get("ETag"))
		assert.Equal(t, "cross-origin", again.header.Get("Cross-Origin-Resource-Policy"))

		own := s.with(s.key, http.MethodGet, "/users/"+s.learner.String()+badge, "", "", "Accept-Encoding", "identity")
		assert.Equal(t, string(got.body), string(own.body))
		assert.Equal(t, "private, no-cache", own.header.Get("Cache-Control"))
		assert.Equal(t, "same-origin", own.header.Get("Cross-Origin-Resource-Policy"))
	}
}

func TestABadgeIsInTheLanguageOfWhoeverSeesIt(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	_, link := s.share("")
	for language, says := range map[string][]string{
		"de-AT,de;q=0.9": {"de", "Serie: 1 Tag", "4.321 Wörter an 1 Tag der letzten 52 Wochen"},
		"ja":             {"ja", "連続記録: 1日", "過去52週間で1日、4,321語"},
		"fr":             {"en", "streak: 1 day", "4,321 words on 1 day in the last 52 weeks"},
	} {
		for i, badge := range []string{"/streak.svg", "/calendar.svg"} {
			got := s.try(http.MethodGet, link+badge, "", "Accept-Language", language, "Accept-Encoding", "identity")
			assert.Equal(t, says[0], got.header.Get("Content-Language"))
			assert.Contains(t, got.header.Values("Vary"), "Accept-Language", "caches keep one for each")
			assert.Contains(t, string(got.body), "<title>"+says[i+1]+"</title>")
			again := s.try(http.MethodGet, link+badge, "", "If-None-Match", got.header.Get("ETag"), "Accept-Language", language, "Accept-Encoding", "identity")
			assert.Equal(t, http.StatusNotModified, again.status)
			assert.Contains(t, again.header.Values("Vary"), "Accept-Language")
		}
	}
}

func TestAShareLinkThatIsWorthNothingLooksLikeAnyOther(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	elsewhere := serve(t, "--auth=keys", "--database-url", s.pool.Config().ConnString())
	id, revoked := s.share("")
	expiredID, expired := s.share("")
	_, err := s.pool.Exec(t.Context(), `UPDATE learninglog_share_links SET created_at = now() - interval '2 days', expires_at = now() WHERE link_id = $1`, expiredID)
	require.NoError(t, err)
	for _, on := range []*service{s.service, elsewhere} {
		require.Equal(t, http.StatusOK, on.see(revoked).status)
	}
	got := s.with(s.key, http.MethodDelete, fmt.Sprintf("%s/%d", s.path(), id), "", "")
	require.Equal(t, http.StatusNoContent, got.status, "%s", got.body)
	assert.Equal(t, http.StatusNotFound, s.with(s.key, http.MethodDelete, fmt.Sprintf("%s/%d", s.path(), id), "", "").status, "once")
	_, foreign := newShareLink(t, pgtest.Pool(t), s.learner)

	want := string(s.see("/shared/x").body)
	assert.Contains(t, want, "This link leads nowhere")
	for name, link := range map[string]string{
		"revoked": revoked, "expired": expired, "of another service": "/shared/" + foreign, "mistyped": revoked[:len(revoked)-1] + "_",
		"a key": "/shared/" + s.key,
	} {
		for _, on := range []*service{s.service, elsewhere} { // on every replica at once
			for _, path := range []string{"", "/streak.svg", "/calendar.svg", "?by=week"} {
				got := on.see(link + path)
				assert.Equal(t, http.StatusNotFound, got.status, "%s%s", name, path)
				assert.Equal(t, want, string(got.body), "%s%s", name, path)
				assert.Equal(t, "private, no-cache", got.header.Get("Cache-Control"), "no badge of before is kept")
				assert.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"))
			}
		}
		s.hasNeverSaid(strings.TrimPrefix(link, "/shared/"))
	}
}

// What goes wrong at a good link is shown without it.
func TestAnErrorPageDoesNotHaveTheShareLink(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	_, link := s.share("")
	secret := strings.TrimPrefix(link, "/shared/")
	for path, status := range map[string]int{
		link + "?by=nonsense": http.StatusUnprocessableEntity, link + "/nope": http.StatusNotFound, "/nope/" + secret: http.StatusNotFound,
		"/x//shared/" + secret: http.StatusNotFound, link + "?" + strings.Repeat("x&", 60): http.StatusUnprocessableEntity,
	} {
		for _, accept := range []string{browsers, "*/*"} {
			got := s.try(http.MethodGet, path, "", "Accept", accept)
			assert.Equal(t, status, got.status, path)
			assert.NotContains(t, string(got.body), secret, path)
			assert.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"), path)
		}
	}
	s.hasNeverSaid(secret)
}

func TestGuessesOfShareLinksAreLimitedAndKeepNobodyFromLoggingIn(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	_, link := s.share("")
	require.Equal(t, http.StatusOK, s.see(link).status)
	require.Eventually(t, func() bool { return s.see("/shared/lls_"+uuid.NewString()).status == http.StatusTooManyRequests }, eventually, time.Millisecond)
	assert.Equal(t, http.StatusOK, s.see(link).status, "one that was good goes on")
	fresh := newKey(t, s.pool.Config().ConnString(), "--scopes=logs:read")
	login := s.try(http.MethodPost, "/login", url.Values{"key": {fresh}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	assert.Equal(t, http.StatusSeeOther, login.status, "%s", login.body)
}

func TestALearnerListsAndBoundsTheirShareLinks(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	for _, wrong := range []string{
		`{}`, `{"name":" "}`, `{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`,
		fmt.Sprintf(`{"name":"x","expires_at":%q}`, time.Now().AddDate(1, 0, 3).Format(time.RFC3339)), `{"name":"x","scopes":["logs:read"]}`,
	} {
		got := s.with(s.key, http.MethodPost, s.path(), "application/json", wrong)
		assert.Equal(t, http.StatusUnprocessableEntity, got.status, wrong)
	}
	_, link := s.share("")
	for range access.MaxShareLinks - 1 {
		s.share(fmt.Sprintf(`,"expires_at":%q`, time.Now().AddDate(1, 0, 0).Format(time.RFC3339)))
	}
	got := s.with(s.key, http.MethodPost, s.path(), "application/json", `{"name":"one too many"}`)
	assert.Equal(t, http.StatusConflict, got.status)
	require.Equal(t, http.StatusOK, s.see(link).status)

	var listed struct {
		Links []struct {
			ID         int64
			Name       string
			CreatedAt  time.Time  `json:"created_at"`
			ExpiresAt  time.Time  `json:"expires_at"`
			LastUsedAt *time.Time `json:"last_used_at"`
		} `json:"share_links"`
	}
	s.with(s.key, http.MethodGet, s.path(), "", "").decode(t, &listed)
	require.Len(t, listed.Links, access.MaxShareLinks)
	first := listed.Links[access.MaxShareLinks-1]
	assert.Equal(t, "Grandma", first.Name)
	assert.WithinDuration(t, time.Now().Add(access.ShareLinkLasts), first.ExpiresAt, time.Minute)
	require.NotNil(t, first.LastUsedAt)
	assert.WithinDuration(t, time.Now(), *first.LastUsedAt, time.Minute)
	assert.Nil(t, listed.Links[0].LastUsedAt)
	others := s.with(s.backend, http.MethodDelete, fmt.Sprintf("/v1/users/%s/share-links/%d", uuid.New(), first.ID), "", "")
	assert.Equal(t, http.StatusNotFound, others.status, "it is another learner's")
	assert.Equal(t, http.StatusOK, s.see(link).status)

	var record struct {
		Records []struct{ Actor, Action, Subject string }
	}
	s.with(s.backend, http.MethodGet, "/v1/audit", "", "").decode(t, &record)
	var export struct {
		Export struct {
			ShareLinks []struct{ Name string } `json:"share_links"`
		}
	}
	exported := s.with(s.key, http.MethodGet, "/v1/users/"+s.learner.String()+"/export", "", "").body
	require.NoError(t, json.Unmarshal(exported[:bytes.IndexByte(exported, '\n')], &export))
	assert.Len(t, export.Export.ShareLinks, access.MaxShareLinks)
	made := 0
	for _, r := range record.Records {
		if r.Action == "share_link.created" {
			made++
			assert.Contains(t, r.Subject, `("Grandma"), of user `+s.learner.String())
		}
	}
	assert.Equal(t, access.MaxShareLinks, made)
}

func TestShareLinksAreMadeAndRevokedByForms(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	v := newVisitor(t)
	own := v.goTo(s.base+"/login", url.Values{"key": {s.key}, "next": {"/"}})
	require.Equal(t, "/users/"+s.learner.String(), own.address.Path)
	require.Contains(t, own.text, `href="/users/`+s.learner.String()+`/share-links"`)
	form := own.address.Path + "/share-links"

	wrong := v.goTo(s.base+form, url.Values{"name": {"Grandma"}, "days": {"366"}})
	assert.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	assert.Contains(t, wrong.text, "Days must be a whole number from 1 to 365.")
	assert.Contains(t, wrong.text, `value="Grandma"`)
	made := v.goTo(s.base+form, url.Values{"name": {"Grandpa"}, "days": {"365"}})

	require.Equal(t, http.StatusCreated, made.status, made.text)
	link := regexp.MustCompile(`<code>(http://[^<]+/shared/lls_[^<]+)</code>`).FindStringSubmatch(made.text)
	require.NotNil(t, link, made.text)
	assert.Equal(t, http.StatusOK, newVisitor(t).goTo(link[1], nil).status)
	list := v.goTo(s.base+form, nil)
	assert.Contains(t, list.text, "Grandpa")
	assert.NotContains(t, list.text, "lls_", "it was shown once")
	revoke := regexp.MustCompile(`action="(` + form + `/\d+/revoke)"`).FindStringSubmatch(list.text)
	require.NotNil(t, revoke, list.text)

	after := v.goTo(s.base+revoke[1], url.Values{})

	assert.Equal(t, form, after.address.Path)
	assert.NotContains(t, after.text, "Grandpa")
	assert.Equal(t, http.StatusNotFound, newVisitor(t).goTo(link[1], nil).status)
	assert.Equal(t, http.StatusNotFound, v.goTo(s.base+revoke[1], url.Values{}).status)
	_, secret, _ := strings.Cut(link[1], "/shared/")
	s.hasNeverSaid(secret)
}

func TestThePageOfShareLinksIsTheLearnersByLanguageAndClock(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	got := s.with(s.key, http.MethodPost, "/v1/learning-logs", "application/json", newLog(s.learner, 5, `"utc_offset":"+13:45"`))
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	id, _ := s.share(fmt.Sprintf(`,"expires_at":%q`, time.Now().Add(time.Hour).Format(time.RFC3339)))
	year := strconv.Itoa(time.Now().AddDate(0, -2, -3).Year()) // of the last 3 March
	_, err := s.pool.Exec(t.Context(), `UPDATE learninglog_share_links SET created_at = $2::timestamptz WHERE link_id = $1`, id, year+"-03-02T23:30:00Z")
	require.NoError(t, err)
	path := "/users/" + s.learner.String() + "/share-links"
	for language, says := range map[string]struct{ page, clock, created, wrongDays, wrongName, tooMany string }{
		"en": {
			"<h1>Share</h1>", "now UTC+13:45", "Created 3 March " + year + ", 13:15:00", "Days must be a whole number from 1 to 365.",
			"“For whom” must have 1 to 100 characters", "There can be 20 links at a time.",
		},
		"de": {
			"<h1>Teilen</h1>", "jetzt UTC+13:45", "Erstellt: 3. März " + year + ", 13:15:00", "Gib die Tage als ganze Zahl von 1 bis 365 an.",
			"„Für wen“ muss aus 1 bis 100 Zeichen bestehen", "Bis zu 20 Links gleichzeitig sind möglich.",
		},
		"ja": {
			"<h1>共有</h1>", "現在UTC+13:45", "作成：" + year + "年3月3日 13:15:00", "有効日数は1～365の整数で入力してください。",
			"「共有する相手」は制御文字を含まない1～100文字で入力してください。", "リンクは同時に20件までです。",
		},
	} {
		ask := func(method, form string) answer {
			return s.with(s.key, method, path, formType, form, "Accept-Language", language, "Accept-Encoding", "identity")
		}
		shown := ask(http.MethodGet, "")
		for _, text := range []string{says.page, says.clock, says.created, `<html lang="` + language + `">`} {
			assert.Contains(t, html.UnescapeString(string(shown.body)), text, language)
		}
		for form, wrong := range map[string]string{
			"name=x&days=0": says.wrongDays, "name=x&days=366": says.wrongDays, "name=x": says.wrongDays,
			"name=+&days=1": says.wrongName, "name=a%0Ab&days=1": says.wrongName, "name=" + strings.Repeat("x", 101) + "&days=1": says.wrongName,
		} {
			got := ask(http.MethodPost, form)
			assert.Equal(t, http.StatusUnprocessableEntity, got.status, form)
			assert.Contains(t, string(got.body), wrong, form)
		}
		made := ask(http.MethodPost, "name=Oma&days=1")
		assert.Equal(t, http.StatusCreated, made.status)
		assert.Equal(t, language, made.header.Get("Content-Language"))
		for range access.MaxShareLinks {
			made = ask(http.MethodPost, "name=Oma&days=1")
		}
		assert.Equal(t, http.StatusConflict, made.status)
		assert.Contains(t, string(made.body), says.tooMany)
		assert.Contains(t, string(made.body), `value="Oma"`, "to be sent again")
		_, err := s.pool.Exec(t.Context(), `DELETE FROM learninglog_share_links WHERE link_id <> $1`, id)
		require.NoError(t, err)
	}
}

func TestTheShareLinksOfAnErasedLearnerEnd(t *testing.T) {
	t.Parallel()
	s := serveShared(t, erasingSoon)
	_, link := s.share("")
	require.Equal(t, http.StatusOK, s.see(link).status)
	s.service.key = s.backend

	s.erase(s.learner)

	assert.Equal(t, http.StatusNotFound, s.see(link).status)
	assert.Equal(t, http.StatusNotFound, s.see(link+"/streak.svg").status)
	again := s.with(s.backend, http.MethodPost, s.path(), "application/json", `{"name":"x"}`)
	assert.Equal(t, http.StatusGone, again.status, "%s", again.body)
	assert.NotContains(t, naming(t, s.pool, s.learner), "public.learninglog_share_links")
}

func TestWhereNobodyIsAskedThereAreNoShareLinks(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 1))
	path := "/users/" + user.String()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		got := s.mustCall(http.StatusNotFound, method, "/v1"+path+"/share-links", `{"name":"x"}`)
		var wrong struct{ Detail string }
		require.NoError(t, json.Unmarshal(got.body, &wrong))
		assert.Contains(t, wrong.Detail, "only where the service asks who somebody is")
	}
	assert.NotContains(t, string(s.see(path).body), "share-links")
	assert.Equal(t, http.StatusNotFound, s.see(path+"/share-links").status)
	assert.Equal(t, http.StatusNotFound, s.see("/shared/x").status)
	assert.Contains(t, string(s.see(path+"/streak.svg", "Accept-Encoding", "identity").body), "streak: 1 day")
}

func TestAShareLinkLeadsToThePublicAddress(t *testing.T) {
	t.Parallel()
	s := serveShared(t, "--public-url=https://learn.example.com/")

	made := s.with(s.key, http.MethodPost, "/users/"+s.learner.String()+"/share-links", formType, "name=Oma&days=1")

	require.Equal(t, http.StatusCreated, made.status)
	assert.Contains(t, string(made.body), "<code>https://learn.example.com"+access.SharePath, "not to where this client reaches the service")
}

func TestShareLinksAreChargedAsLogsAre(t *testing.T) {
	t.Parallel()
	s := serveShared(t, "--logs-per-second=1")
	const burst = 10_000
	logs := make([]string, 0, burst)
	for range burst - 1 {
		logs = append(logs, newLog(s.learner, 1))
	}
	posted := s.with(s.key, http.MethodPost, "/v1/learning-logs/batch", "application/json", "["+strings.Join(logs, ",")+"]")
	require.Equal(t, http.StatusOK, posted.status, "%.200s", posted.body)

	for _, ask := range []struct{ method, path, contentType, body string }{
		{http.MethodPost, "/v1/users/" + s.learner.String() + "/share-links", "application/json", `{"name":"x"}`},
		{http.MethodDelete, "/v1/users/" + s.learner.String() + "/share-links/1", "", ""},
		{http.MethodPost, "/users/" + s.learner.String() + "/share-links", formType, "name=x&days=1"},
		{http.MethodPut, "/v1/users/" + s.learner.String() + "/settings", "application/json", `{}`},
	} {
		got := s.with(s.key, ask.method, ask.path, ask.contentType, ask.body)
		for got.status/100 == 2 || got.status == http.StatusNotFound { // what is left since a second
			got = s.with(s.key, ask.method, ask.path, ask.contentType, ask.body)
		}
		assert.Equal(t, http.StatusTooManyRequests, got.status, "%s %s: %s", ask.method, ask.path, got.body)
	}
}
