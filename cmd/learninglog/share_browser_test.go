package main_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
)

func TestALearnerSharesAPageInABrowser(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	b := browse(t, s.service)
	b.withoutScripts()
	b.open("/login")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=key]"), s.key))
	b.follow("main form button")
	b.follow(`a[href$="/share-links"]`)
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=name]"), "Grandma"))
	b.follow("fieldset button.main")

	link := b.text(".created .secret")

	b.withScripts()
	b.click(".created summary")
	b.isAccessible("the page of a new share link")
	b.screenshot("share")
	b.narrow()
	b.fits()
	b.dark()
	b.isAccessible("the page of a new share link on a phone in the dark")
	b.screenshot("phone-share")

	b.open(link[len(s.base):])
	assert.Equal(t, "A learner", b.text("h1"))
	b.fits()
	b.isAccessible("a page that is shared")
	b.screenshot("shared")
	b.expect("status of 404")
	b.open("/users/not-a-uuid")
	b.fits()
	b.isAccessible("a page of an error")
	b.screenshot("mistyped")
}

func TestABadgeIsShownOnAnotherSiteByAShareLinkAlone(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	_, link := s.share("")
	elsewhere := serveEmptyPages(t)
	b := browse(t, s.service)
	for _, expected := range []string{"asked elsewhere", "NotSameOrigin", "net::ERR_"} {
		b.expect(expected)
	}
	b.open("/login")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=key]"), s.key))
	b.follow("main form button")
	b.do(chromedp.Navigate(elsewhere.URL))
	width := func(address string) int {
		return evaluate[int](b, fmt.Sprintf(`new Promise((done) => {
			const badge = document.createElement("img");
			badge.onload = () => done(badge.naturalWidth); badge.onerror = () => done(0);
			badge.src = %q; document.querySelector("main").append(badge, document.createElement("br"));
		})`, address), chromedp.EvalAwaitPromise)
	}
	for _, badge := range []string{"/streak.svg", "/calendar.svg"} {
		assert.Positive(t, width(s.base+link+badge), badge)
		assert.Zero(t, width(s.base+"/users/"+s.learner.String()+badge), "whoever is logged in shows theirs to no other site")
	}
	b.screenshot("badges")
	b.dark()
	b.screenshot("badges-dark")
}
