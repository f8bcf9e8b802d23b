package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/demo"
	"learninglog/internal/pgtest"
)

// farFromUTC returns a zone in which it is another date than in UTC, now and for an hour.
func farFromUTC(now time.Time) string {
	if now.UTC().Hour() < 10 {
		return "Etc/GMT+12" // it is yesterday
	}
	return "Pacific/Kiritimati" // it is tomorrow
}

// A learner in Tokyo who learns before nine has learned today. For the service, it is
// still yesterday.
func TestALearnerFarFromUTCSeesTodaysLogToday(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	user, zone := uuid.New(), farFromUTC(time.Now())
	location, err := time.LoadLocation(zone)
	require.NoError(t, err)
	now := time.Now().In(location)
	require.NotEqual(t, now.UTC().Day(), now.Day())

	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12, `"time_zone":"`+zone+`"`))
	b.open("/users/" + user.String())

	today := now.Format("2 January 2006")
	assert.True(t, strings.HasSuffix(b.text(".range"), " to "+today), "the range ends today: %s", b.text(".range"))
	assert.Equal(t, now.Format("Monday, ")+today+": 12 words in 1 log",
		b.textContent("section[aria-labelledby=words] .period:last-of-type title"))
	assert.Contains(t, b.text(".logs tbody td"), now.Format("Monday, 2 January, 15:"))
	assert.Equal(t, "12", b.textContent(".today .ring .number"))
	assert.Equal(t, "The first day is done", b.text("#today"))
	assert.Equal(t, "1 day", b.text(".numbers div:nth-child(5) dd"), "the streak includes today")
	assert.Contains(t, b.textContent(fmt.Sprintf("section[aria-labelledby=hours] .period:nth-of-type(%d) title", now.Hour()+1)), "12 words")
	assert.Contains(t, b.text("main > .note"), "now UTC"+now.Format("-07:00"))
	b.isAccessible("the page of a learner far from UTC")
}

// Learners who travel see each log by the clock that they had.
func TestLogsOfATravelerOnAPhone(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	user := uuid.New()
	for day, zone := range []string{"America/Los_Angeles", "Asia/Tokyo", "Asia/Kathmandu", "Europe/Berlin"} {
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs",
			newLog(user, 1234, fmt.Sprintf(`"time_zone":"%s","timestamp":"2026-03-0%dT22:30:00Z"`, zone, day+1)))
	}
	b.narrow()

	b.open("/users/" + user.String() + "?from=2026-03-01&to=2026-03-31")

	for i, shown := range []struct{ moment, offset string }{
		{"4 March 2026, 23:30:00", ""}, // by the clock of now
		{"4 March 2026, 04:15:00", " +05:45"},
		{"3 March 2026, 07:30:00", " +09:00"},
		{"1 March 2026, 14:30:00", " -08:00"},
	} {
		at := fmt.Sprintf(`.logs tbody tr:nth-child(%d) [title="%s"]`, i+1, shown.moment)
		require.Equal(t, 1, b.count(at), at)
		_, offset, _ := strings.Cut(b.text(at), shown.moment[len("4 March 2026, "):][:len("23:30")])
		assert.Equal(t, shown.offset, strings.TrimPrefix(offset, ":00"))
	}
	b.fits()
	b.screenshot("phone-traveler")
}

func TestTheHoursOfTheDay(t *testing.T) {
	t.Parallel()
	s := demoService(t)
	b := browse(t, s)
	const hours = "section[aria-labelledby=hours]"

	b.open("/users/" + demo.Learners()[0].ID.String()) // learns at seven, in Tokyo

	require.Equal(t, 24, b.count(hours+" .period"))
	assert.Regexp(t, `^07:00 to 08:00: [\d,]+ words in \d+ logs, [\d.]+ per log$`, b.textContent(hours+" .period:nth-of-type(8) title"))
	assert.Regexp(t, `^Words per hour of the day: .* words in \d+ logs, the most from 0\d:00 to 0\d:00$`,
		get(b, chromedp.AttributeValue(chromedp.CSS(hours+" svg"), "aria-label")).Value)
	b.click(hours + " summary")
	assert.Equal(t, 24, b.count(hours+" .figures tbody tr"))
	assert.Contains(t, b.text(hours+" .figures tbody tr:first-child"), "00:00 to 01:00")
	b.isAccessible("the hours as a table")
	b.screenshot("hours")
}

// voiding is a learner with three logs, of 1, 20 and 300 words, whose page of one week is
// shown.
type voiding struct {
	*tab

	user uuid.UUID
	view string
}

func openLogsToVoid(t *testing.T, b *tab, s *service) voiding {
	t.Helper()
	user := uuid.New()
	for i, words := range []int{1, 20, 300} {
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs",
			newLog(user, words, fmt.Sprintf(`"time_zone":"Asia/Tokyo","timestamp":"2026-03-0%dT22:30:00Z"`, i+2)))
	}
	view := "by=week&from=2026-03-02&to=2026-03-08&year=2025"
	b.open("/users/" + user.String() + "?" + view)
	return voiding{tab: b, user: user, view: view}
}

// takeBackTheSecond takes back the log of 20 words, and checks what the page says then.
func (v voiding) takeBackTheSecond() {
	v.t.Helper()
	const second = ".logs tbody tr:nth-child(2) "
	require.Equal(v.t, "321", v.text(".numbers dd"))
	require.False(v.t, v.isVisible(second+"button"), "it asks first")
	v.click(second + "summary")
	require.True(v.t, v.isVisible(second+"button"))

	v.follow(second + "button")

	assert.Equal(v.t, "/users/"+v.user.String()+"?"+v.view, v.path(), "it is the same view")
	assert.Equal(v.t, "301", v.text(".numbers dd"))
	assert.Equal(v.t, 2, v.count(".logs tbody tr"))
	assert.Zero(v.t, v.count(".logs del"))
}

func (v voiding) showWhatWasTakenBack() {
	v.t.Helper()
	v.follow("section[aria-labelledby=logs] .bar-of-choices a")

	assert.Contains(v.t, v.path(), "voided=include")
	assert.Equal(v.t, 3, v.count(".logs tbody tr"))
	assert.Equal(v.t, "301", v.text(".numbers dd"), "it doesn't count")
	row := v.text(".logs tbody tr:nth-child(2)")
	assert.Equal(v.t, 1, v.count(`.logs tbody tr:nth-child(2) del[title="4 March 2026, 07:30:00"]`))
	assert.Contains(v.t, row, "taken back "+time.Now().In(time.FixedZone("", 9*60*60)).Format("2 January 2006"))
	assert.Equal(v.t, 2, v.count(".logs tbody tr:nth-child(2) del"), "it is struck through")
	assert.Zero(v.t, v.count(".logs tbody tr:nth-child(2) button"))
}

func TestALogIsTakenBackByAButton(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	v := openLogsToVoid(t, b, s)
	b.click(".logs tbody tr:nth-child(2) summary")
	b.isAccessible("a log that is about to be taken back")
	b.screenshot("void")
	b.click(".logs tbody tr:nth-child(3) summary")
	assert.Equal(t, 1, b.count(".logs details[open]"), "one asks at a time")
	b.click(".logs tbody tr:nth-child(3) summary")

	v.takeBackTheSecond()

	v.showWhatWasTakenBack()
	b.isAccessible("a log that was taken back")
	b.screenshot("voided")
	b.follow("section[aria-labelledby=logs] .bar-of-choices a")
	assert.Equal(t, 2, b.count(".logs tbody tr"))
}

func TestALogIsTakenBackWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	b.withoutScripts()
	v := openLogsToVoid(t, b, s)

	v.takeBackTheSecond()

	v.showWhatWasTakenBack()
}

func TestALogIsTakenBackOnAPhoneInTheDark(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	b.narrow()
	b.dark()
	v := openLogsToVoid(t, b, s)
	b.click(".logs tbody tr:nth-child(3) summary")
	b.fits()
	b.isAccessible("a log that is about to be taken back on a phone in the dark")
	b.screenshot("phone-void")
	b.click(".logs tbody tr:nth-child(3) summary")

	v.takeBackTheSecond()

	v.showWhatWasTakenBack()
	b.fits()
	b.isAccessible("a log that was taken back on a phone in the dark")
	b.screenshot("phone-voided")
}

func TestWhoeverHasTakenBackTheOnlyLogIsNoNewcomer(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	user := uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	b.open("/users/" + user.String())
	b.click(".logs summary")

	b.follow(".logs button")

	assert.Equal(t, "0", b.text(".numbers dd"))
	assert.Zero(t, b.count(".empty"), "its line to paste would post a log that was taken back")
	b.isAccessible("a learner's page whose only log was taken back")
	b.screenshot("voided-only")
}

func TestOtherSitesNeitherTakeBackNorRezone(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user, id := uuid.New(), uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", logWithID(id, user, 12))
	void := "/users/" + user.String() + "/learning-logs/" + id.String() + "/void"

	for _, path := range []string{void, "/admin/rezones"} {
		refused := s.browse(http.MethodPost, path, "https://elsewhere.example", "")
		refused.isPage(t, http.StatusForbidden, "The request comes from a page of another site")
	}

	words, _ := s.total(user)
	assert.Equal(t, 12, words)
	assert.Equal(t, http.StatusMethodNotAllowed, s.browse(http.MethodGet, void, "", "").status, "a link takes nothing back")
	assert.Equal(t, http.StatusOK, s.browse(http.MethodPost, void, s.base, "").status, "it leads back to the page")
	words, _ = s.total(user)
	assert.Zero(t, words)
}
