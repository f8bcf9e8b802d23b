package main_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"learninglog/internal/demo"
)

func TestABrowserGetsThePagesInItsLanguage(t *testing.T) {
	t.Parallel()
	s := demoService(t)
	learner := "/users/" + demo.Learners()[0].ID.String()
	for language, want := range map[string]struct{ tag, title, firstWeekday string }{
		"en-GB": {"en", "What was learned", "Monday"},
		"en-US": {"en-US", "What was learned", "Sunday"},
		"de":    {"de", "Was gelernt wurde", "Montag"},
		"ja":    {"ja", "学習の記録", "日曜日"},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			b := browseIn(t, s, language)
			b.open("/")
			assert.Equal(t, want.tag, evaluate[string](b, "document.documentElement.lang"))
			assert.Equal(t, want.title, b.text("h1"))
			b.isAccessible("the start page in " + language)
			b.screenshot("start-" + language)

			b.open(learner)
			assert.Equal(t, want.tag, evaluate[string](b, "document.documentElement.lang"))
			assert.Equal(t, want.firstWeekday, evaluate[string](b, `document.querySelector(".year tbody abbr").title`))
			b.isAccessible("a learner's page in " + language)
			b.screenshot("learner-" + language)

			b.expect("404")
			b.open("/users/nobody")
			b.isAccessible("a problem in " + language)
			b.screenshot("problem-" + language)
		})
	}
}

func TestPagesOfOperatorsAreInEnglish(t *testing.T) {
	t.Parallel()
	s := demoService(t)
	for _, path := range []string{"/admin", "/admin/audit"} {
		got := s.get(path, "Accept-Language", "de")
		assert.Equal(t, "en", got.header.Get("Content-Language"), path)
		assert.Contains(t, string(got.body), `<html lang="en">`, path)
		assert.Contains(t, string(got.body), ">Operations<", path)
	}
}
