package problem_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"learninglog/internal/problem"
)

func TestAMistypedUUIDIsToldWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1":       "It is too short by 3 characters.",
		"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a2":     "It is too short by 1 character.",
		"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a222":   "It is too long by 1 character.",
		"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1o22":    "This one has “o”, which can't be in it: it has digits, the letters a to f, and hyphens.",
		"0b6b3a9e2f574f5a9a550d4b7c6f1a22":        "This one lacks its hyphens.",
		"0b6b3a9e2-f57-4f5a-9a55-0d4b7c6f1a22":    "This one has its hyphens elsewhere.",
		"me":                                      "This one has “m”, which can't be in it: it has digits, the letters a to f, and hyphens. It is too short by 34 characters.",
		"0b6b3a9e 2f57-4f5a-9a55-0d4b7c6f1a22":    "This one has a space, which can't be in it: it has digits, the letters a to f, and hyphens.",
		"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a2\x00": "This one has a character that can't be shown, which can't be in it: it has digits, the letters a to f, and hyphens.",
	} {
		wrong := problem.NotALearner(text)
		assert.Equal(t, problem.NotFound, wrong.Kind(), text)
		assert.Equal(t, "Learners are named by a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22. "+want, wrong.Detail, text)
	}
}
