package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// lateLogs posts a log without a zone for each of many learners. Each counts on the date
// before the one in Tokyo.
func lateLogs(s *service, learners int) (last uuid.UUID) {
	s.t.Helper()
	logs := make([]string, learners)
	for i := range logs {
		last = uuid.New()
		logs[i] = newLog(last, 12, `"timestamp":"2026-01-14T22:00:00Z"`)
	}
	s.mustCall(http.StatusOK, http.MethodPost, "/v1/learning-logs/batch", "["+strings.Join(logs, ",")+"]")
	return last
}

// rezone fills the form in, confirms it, and waits for the page after it.
func (b *tab) rezone(zone string) {
	b.t.Helper()
	b.do(chromedp.SetValue(chromedp.CSS("input[name=time_zone]"), zone))
	require.False(b.t, b.isVisible(".rezone button.main"), "it asks first")
	b.click(".rezone summary")
	b.follow(".rezone button.main")
}

func TestAnOperatorRezonesWhileWatching(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, append(slowly(), "--database-url", databaseURL)...)
	lateLogs(s, 1500)
	b := browse(t, s)
	b.open("/admin")
	assert.Equal(t, 1, b.count(`#time-zones option[value="Asia/Tokyo"]`), "zones are offered")
	b.isAccessible("the form of a re-zone")

	b.rezone("Asia/Tokyo")

	const rezoned = `Number(document.querySelector(".job .logs-rezoned")?.innerText.replace(",", ""))`
	b.until(rezoned + " > 0")
	b.until(fmt.Sprintf("%s > %d", rezoned, evaluate[int](b, rezoned))) // without a reload
	assert.Contains(t, b.text(".job h3"), "re-zone of everybody to Asia/Tokyo")
	assert.Regexp(t, `^Logs gone through: [\d,]+ · learners: [\d,]+ · logs re-zoned: [\d,]+$`, b.text(".job .figures-of-job"))
	b.isAccessible("the operators' page while a re-zone runs")
	b.screenshot("rezone")
	b.says(".job .state", "completed")
	assert.Equal(t, "1,500", b.text(".job .logs-rezoned"))
	assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, databaseURL)))
}

func TestAnOperatorRezonesALearnerWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := lateLogs(s, 2)
	b := browse(t, s)
	b.withoutScripts()
	b.open("/admin")
	b.do(
		chromedp.SetValue(chromedp.CSS(".rezone input[name=user]"), user.String()),
		chromedp.SetValue(chromedp.CSS(".rezone input[name=from]"), "2026-01-01"),
		chromedp.SetValue(chromedp.CSS(".rezone input[name=to]"), "2026-01-31"),
	)

	b.rezone("Asia/Tokyo")

	b.says(".job .state", "completed") // after the page has reloaded itself
	assert.Contains(t, b.text(".job h3"),
		"re-zone of learner "+user.String()+" to Asia/Tokyo, from 1 January 2026, to 31 January 2026")
	assert.Equal(t, "1", b.text(".job .logs-rezoned"))
	assert.Equal(t, map[string]int{"2026-01-15": 12}, s.days(user, "2026-01-01", "2026-01-31"))
}

func TestAMistakeInTheFormOfARezone(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	b.narrow()
	b.expect("422")
	b.open("/admin")

	b.rezone("Tokyo")

	assert.Equal(t, "The time zone must be an IANA time zone such as Asia/Tokyo, or UTC.", b.text(".rezone .wrong"))
	assert.Equal(t, "Tokyo", evaluate[string](b, `document.querySelector("input[name=time_zone]").value`), "it can be mended")
	assert.Zero(t, b.count(".rebuild .wrong"), "the other form is right")
	b.fits()
	b.isAccessible("the operators' page with a mistake in a re-zone")
	b.screenshot("phone-rezone-mistake")
	assert.Zero(t, b.count(".job"))
}

// Enter would press the first button of the form, and that one asks for the job.
func TestEnterConfirmsNoRezone(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	b.open("/admin")

	b.do(chromedp.SendKeys(chromedp.CSS("input[name=time_zone]"), "Asia/Tokyo"), chromedp.KeyEvent("\r"))
	b.rezone("Asia/Kathmandu")

	// The page is shown anew when the job ends, so it is looked at as a whole.
	b.until(`Array.from(document.querySelectorAll(".job h3"), (title) => title.innerText.includes("to Asia/Kathmandu")).join() === "true"`)
}
