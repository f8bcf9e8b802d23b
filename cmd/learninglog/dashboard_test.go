package main_test

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
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

// paste runs a command line that a person has copied from a page.
func paste(t testing.TB, line string) string {
	t.Helper()
	needCurl(t)
	output, err := exec.CommandContext(context.Background(), "sh", "-c", line+" -sS").CombinedOutput()
	require.NoError(t, err, "%s", output)
	return string(output)
}

// This is what a person sees who has just started the service.
func TestTheFirstLogAppears(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	b.open("/")
	b.waitFor(".empty")
	b.isAccessible("the start page without logs")
	b.screenshot("start-empty")
	learner := b.text(".empty a")
	require.Equal(t, "The page of this learner", learner)
	link := get(b, chromedp.AttributeValue(chromedp.CSS(".empty a"), "href")).Value

	assert.Contains(t, paste(t, b.text(".empty pre")), `"word_count":12`)

	b.waitFor("#everybody") // without a reload by the user
	b.click("details summary")
	assert.Contains(t, b.text(".figures tbody tr:last-child"), "12")
	b.open(link)
	assert.Equal(t, "12", b.text(".numbers div:first-child dd"))

	user := uuid.New()
	b.open("/users/" + user.String())
	b.waitFor(".empty")
	b.isAccessible("a learner's page without logs")
	b.screenshot("learner-empty")
	paste(t, b.text(".empty pre"))
	b.waitFor("figure svg.chart .bar")
	assert.Equal(t, "1 day", b.text(".numbers div:nth-child(5) dd"), "the streak has begun")
	assert.Zero(t, b.count(".empty"))
}

// demoService returns a service with the demo learners.
func demoService(t testing.TB) *service {
	t.Helper()
	return serve(t, "--demo", "--database-url", pgtest.URL(t))
}

func TestLearnersPage(t *testing.T) {
	t.Parallel()
	s := demoService(t)
	b := browse(t, s)
	b.open("/")
	b.isAccessible("the start page")
	b.screenshot("start")
	steady := demo.Learners()[0].ID.String()
	b.do(chromedp.SendKeys(chromedp.CSS("#id"), steady))
	b.follow("form.find button")
	require.Equal(t, "/users/"+steady, b.path())
	assert.Equal(t, 30, b.count("section[aria-labelledby=words] .period"))
	assert.Equal(t, 30, b.count("section[aria-labelledby=words] .figures tbody tr"), "there is a table behind the chart")
	b.isAccessible("a learner's page")
	b.screenshot("learner")

	choose := func(name string) {
		b.do(chromedp.Click(`//nav[@class="choices"]/a[text()="` + name + `"]`))
	}
	choose("12 weeks")
	b.says("h2#words", "Words per week")
	assert.Equal(t, 12, b.count("section[aria-labelledby=words] .period"))
	choose("12 months")
	b.says("h2#words", "Words per month")
	assert.Equal(t, "by=month", strings.TrimPrefix(b.path(), "/users/"+steady+"?"))
	choose("30 days")
	b.says("h2#words", "Words per day")

	now := b.text(".range")
	b.follow("a[rel=prev]")
	assert.NotEqual(t, now, b.text(".range"))
	assert.Equal(t, 30, b.count("section[aria-labelledby=words] .period"))
	b.isAccessible("a learner's page of an earlier range")
	shared := b.path()
	earlier := b.text(".numbers")
	b.follow(".bar-of-choices a[rel=next]")
	assert.Equal(t, now, b.text(".range"))
	assert.Zero(t, b.count(".bar-of-choices a[rel=next]"), "there is nothing later than now")
	b.open(shared)
	assert.Equal(t, earlier, b.text(".numbers"), "the address says it all")

	today := time.Now().UTC()
	b.open("/users/" + steady)
	b.do(
		chromedp.SetValue(chromedp.CSS(`input[name=from]`), today.AddDate(0, 0, -9).Format(time.DateOnly)),
		chromedp.SetValue(chromedp.CSS(`input[name=to]`), today.AddDate(0, 0, -3).Format(time.DateOnly)),
	)
	b.follow("form.custom button")
	assert.Equal(t, 7, b.count("section[aria-labelledby=words] .period"))

	b.open("/users/" + steady)
	assert.Equal(t, 20, b.count(".logs tbody tr"))
	newest := b.text(".logs tbody tr")
	b.follow(`.pages a[rel=next]`)
	assert.NotEqual(t, newest, b.text(".logs tbody tr"))
	b.isAccessible("an older page of logs")
	b.follow(`.pages a[rel=first]`)
	assert.Equal(t, newest, b.text(".logs tbody tr"))

	b.follow(`nav[aria-label=Year] a`)
	assert.Equal(t, strconv.Itoa(today.Year()-1), b.text("h2#year"))
	b.isAccessible("another year")
}

func TestPagesOnAPhone(t *testing.T) {
	t.Parallel()
	s := demoService(t)
	b := browse(t, s)
	b.narrow()
	for name, path := range map[string]string{
		"phone-start":    "/",
		"phone-learner":  "/users/" + demo.Learners()[0].ID.String(),
		"phone-operator": "/admin",
		"phone-empty":    "/users/" + uuid.NewString(),
	} {
		b.open(path)
		b.fits()
		b.isAccessible(path + " on a phone")
		b.screenshot(name)
	}
}

func TestPagesInTheDark(t *testing.T) {
	t.Parallel()
	s := demoService(t)
	b := browse(t, s)
	b.dark()
	for name, path := range map[string]string{
		"dark-start":    "/",
		"dark-learner":  "/users/" + demo.Learners()[1].ID.String(),
		"dark-operator": "/admin",
	} {
		b.open(path)
		const style = `getComputedStyle(document.documentElement)`
		assert.Equal(t, "rgb(17, 24, 39)", evaluate[string](b, style+".backgroundColor"))
		assert.Equal(t, "rgb(241, 245, 249)", evaluate[string](b, style+".color"))
		b.isAccessible(path + " in the dark")
		b.screenshot(name)
	}
}

func TestPagesWithoutJavaScript(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	user := uuid.New()
	b := browse(t, s)
	b.withoutScripts()
	b.open("/users/" + user.String())
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	b.waitFor("figure svg.chart") // after the page has reloaded itself
	b.follow("form.custom button")
	b.waitFor("figure svg.chart")

	execute(t, databaseURL, `UPDATE learning_log_aggregates SET total_word_count = 0`)
	b.open("/admin")
	b.follow("button[value=verify]")
	b.waitFor(".job .wrong")
	assert.Contains(t, b.text(".job"), "rows drifted: 3 · repaired: 0")
	b.click(".rebuild summary")
	b.follow("button[value=rebuild]")
	b.says(".job", "rows drifted: 3 · repaired: 3") // after the page has reloaded itself
}

func TestOperatorsPage(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	driftedUsers(t, pgtest.Open(t, databaseURL), 1000)
	s := serve(t, append(slowly(), "--database-url", databaseURL)...)
	b := browse(t, s)
	b.open("/admin")
	assert.Equal(t, "ready", b.text(".numbers dd"))
	require.Eventually(t, func() bool { // a process that has just started knows no rates
		b.open("/admin")
		return b.count("section[aria-labelledby=writes] svg.chart") == 4
	}, eventually, often)
	assert.Contains(t, b.text("section[aria-labelledby=writes]"), "Logs a second\n0.0\nat most 0.0 in the last")

	b.do(chromedp.SendKeys(chromedp.CSS("input[name=user]"), "me"))
	b.expect("422")
	b.follow("button[value=verify]")
	assert.Contains(t, b.text(".wrong[role=alert]"), "must be a UUID")
	b.isAccessible("the operators' page with a mistake")

	b.open("/admin")
	assert.False(t, b.isVisible("button[value=rebuild]"), "it asks first")
	b.click(".rebuild summary")
	b.follow("button[value=rebuild]")
	b.waitFor(".job progress")
	b.isAccessible("the operators' page while a rebuild runs")
	const repaired = `Number(document.querySelector(".job .rows-repaired")?.innerText.replace(",", ""))`
	b.until(repaired + " > 0") // the page shows the progress without a reload
	b.until(fmt.Sprintf("%s > %d", repaired, evaluate[int](b, repaired)))
	b.screenshot("operator")
	b.click(".job summary")
	b.follow(".job form button")
	b.until(`document.querySelector(".job .state")?.innerText === "cancelled"`) // and the end
	assert.Zero(t, b.count(".job progress"))
}

func TestOperatorsFindTheJobsThatThereAreAndTheWayBack(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	s.mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds", "")
	s.awaitSeries(series{`learninglog_jobs{kind="rebuild", state="completed"}`: 1})
	b := browse(t, s)
	b.expect("'script-src' was not explicitly set") // River UI tries whether it may evaluate text, and does without
	b.open("/admin")

	b.follow("section[aria-labelledby=rebuilds] .bar-of-choices a")

	b.says("main", "rebuild")
	assert.Contains(t, b.path(), "state=completed")
	b.follow("nav[aria-label=Back] a")
	assert.Equal(t, "/admin", b.path())
}

// An operator starts a rebuild and sees it end.
func TestOperatorWatchesARebuildEnd(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	driftedUsers(t, pgtest.Open(t, databaseURL), 3000)
	s := serve(t, "--rebuild-chunk-logs=20", "--database-url", databaseURL)
	b := browse(t, s)
	b.open("/admin")
	b.click(".rebuild summary")
	b.follow("button[value=rebuild]")

	b.says(".job .state", "completed")
	assert.Equal(t, b.text(".job .rows-drifted"), b.text(".job .rows-repaired"))
	assert.Equal(t, "0", b.text(".numbers div:nth-child(4) dd"), "nothing is known to have drifted")
}
