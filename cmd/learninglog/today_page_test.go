package main_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

	"learninglog/internal/demo"
	"learninglog/internal/pgtest"
)

// What a learner asks first is answered above the fold of a phone.
func TestTheFirstScreenOfAPhoneSaysHowTodayStands(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	user := uuid.New()
	noon := farFromMidnight(time.Now())
	clock := `,"utc_offset":"` + noon.Format("-07:00") + `"`
	for ago := 3; ago > 0; ago-- {
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 10,
			`"timestamp":"`+noon.AddDate(0, 0, -ago).Format(time.RFC3339)+`"`+clock))
	}
	b.narrow()
	b.open("/users/" + user.String())
	assert.Equal(t, "Learn today to keep 3 days", b.text("#today"))
	assert.Equal(t, "0", b.textContent(".ring .number"))
	const bottom = `Math.ceil(document.querySelector(".today .week").getBoundingClientRect().bottom)`
	assert.LessOrEqual(t, evaluate[int](b, bottom), 740, "the streak and the week are on the first screen")

	b.do(
		chromedp.SetValue(chromedp.CSS(`input[name=name]`), "Mia <3"),
		chromedp.SetValue(chromedp.CSS(`input[name=goal]`), "20"),
		chromedp.SetValue(chromedp.CSS(`input[name=freeze]`), "1"),
	)
	b.follow("form.settings button")
	assert.Equal(t, "Mia <3", b.text("h1"))
	assert.Contains(t, b.text("#today"), "Learn by ", "today may be missed")
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 25, `"timestamp":"`+noon.Format(time.RFC3339)+`"`+clock))
	b.open("/users/" + user.String())
	assert.Equal(t, "4 days in a row", b.text("#today"))
	assert.Equal(t, 1, b.count(".ring .reached"), "the goal is reached")
	assert.Equal(t, 1, b.count("section[aria-labelledby=words] .of-goal"), "and a line in the chart")
	b.isAccessible("a page with a goal that is reached")

	b.follow(".year .now a")
	today := noon.Format(time.DateOnly)
	assert.Contains(t, b.path(), "from="+today+"&to="+today, "a day of the calendar leads to it")
	assert.Equal(t, 1, b.count(".logs tbody tr"))
	assert.Zero(t, b.count(".logs .id"))
	b.follow(`.downloads a[href*="ids=include"]`)
	assert.Equal(t, 1, b.count(".logs .id"), "request ids are there on demand")
}

func TestALearnersPageFitsEveryScreen(t *testing.T) {
	t.Parallel()
	s := demoService(t)
	b := browse(t, s)
	today := time.Now().UTC()
	paths := []string{
		"", "?by=week&averages=include", "?by=month", "?year=" + strconv.Itoa(today.Year()-1) + "&ids=include&voided=include",
		"?from=" + today.AddDate(0, 0, -300).Format(time.DateOnly) + "&to=" + today.Format(time.DateOnly),
	}
	const height, whole = 900, 700 // from which width on the calendar is whole
	widths := []int64{360, 700, 768, 830, 1280}
	for _, width := range widths {
		b.do(chromedp.EmulateViewport(width, height))
		for i, path := range paths {
			b.open("/users/" + demo.Learners()[i%len(demo.Learners())].ID.String() + path)
			assert.LessOrEqual(t, evaluate[int64](b, `document.documentElement.scrollWidth`), width, "%s scrolls sideways", path)
			if width >= whole {
				const hidden = `(() => { const c = document.querySelector(".from-end"); return c.scrollWidth - c.clientWidth })()`
				assert.LessOrEqual(t, evaluate[int](b, hidden), 0, "the calendar is cut off at %d", width)
			}
		}
		b.isAccessible("a page " + strconv.FormatInt(width, 10) + " wide")
	}
	b.screenshot("learner-long")
	b.dark()
	for _, width := range widths {
		b.do(chromedp.EmulateViewport(width, height))
		b.isAccessible("a page in the dark, " + strconv.FormatInt(width, 10) + " wide")
	}
}

func TestALearnersPageIsPrintedWithoutWhatCantBeUsedOnPaper(t *testing.T) {
	t.Parallel()
	s := demoService(t)
	b := browse(t, s)
	b.dark()
	b.open("/users/" + demo.Learners()[0].ID.String())
	instruct(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})

	for _, selector := range []string{"header nav", "form", "button", ".button", ".choices", "#settings", "#everything", "details"} {
		assert.False(t, b.isVisible(selector), "%s is printed", selector)
	}
	for _, selector := range []string{"h1", ".ring", ".today .week", "figure .chart", ".numbers", ".year", ".logs"} {
		assert.True(t, b.isVisible(selector), "%s isn't printed", selector)
	}
	assert.Equal(t, "rgb(59, 111, 214)", evaluate[string](b, `getComputedStyle(document.querySelector(".chart .bar")).fill`))
	assert.Equal(t, "rgb(255, 255, 255)", evaluate[string](b, `getComputedStyle(document.documentElement).backgroundColor`))
	b.screenshot("learner-printed")

	b.open("/")
	assert.True(t, b.isVisible(".logs td:last-child"), "when somebody was active last is printed")
}

// farFromMidnight returns an instant as the clock shows it where it is about noon, so that the
// date doesn't change during a test.
func farFromMidnight(now time.Time) time.Time {
	const noon, hour = 12, 60 * 60
	return now.In(time.FixedZone("", (noon-now.UTC().Hour())*hour))
}
