package problem

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize/english"
)

// exampleLearner is how a learner is named.
const exampleLearner = "0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22"

// NotALearner returns the problem of a text that names a learner and is no UUID. It says what
// is wrong with it.
func NotALearner(text string) *Problem {
	return NotFound.New("Learners are named by a UUID such as " + exampleLearner + ". " + whatIsWrong(text)).
		Titled("There is no such learner")
}

// whatIsWrong says in sentences what is wrong with the text of a UUID.
func whatIsWrong(text string) string {
	var wrong []string
	isOdd := func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF-", r) }
	if at := strings.IndexFunc(text, isOdd); at >= 0 {
		odd, _ := utf8.DecodeRuneInString(text[at:])
		wrong = append(wrong, "This one has "+nameOf(odd)+", which can't be in it: it has digits, the letters a to f, and hyphens.")
	}
	length := utf8.RuneCountInString(text)
	switch missing := len(exampleLearner) - length; {
	case missing == strings.Count(exampleLearner, "-") && !strings.Contains(text, "-") && len(wrong) == 0:
		wrong = append(wrong, "This one lacks its hyphens.")
	case missing > 0:
		wrong = append(wrong, fmt.Sprintf("It is too short by %s.", english.Plural(missing, "character", "")))
	case missing < 0:
		wrong = append(wrong, fmt.Sprintf("It is too long by %s.", english.Plural(-missing, "character", "")))
	case len(wrong) == 0:
		wrong = append(wrong, "This one has its hyphens elsewhere.")
	}
	return strings.Join(wrong, " ")
}

// nameOf returns how people call a character.
func nameOf(r rune) string {
	switch {
	case unicode.IsSpace(r):
		return "a space"
	case r == utf8.RuneError || !unicode.IsPrint(r):
		return "a character that can't be shown"
	default:
		return "“" + string(r) + "”"
	}
}
