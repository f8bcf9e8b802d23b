package conditional_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"learninglog/internal/conditional"
)

func TestTag(t *testing.T) {
	t.Parallel()
	tag := conditional.Tag([]byte("a"))
	assert.Equal(t, tag, conditional.Tag([]byte("a")))
	assert.NotEqual(t, tag, conditional.Tag([]byte("b")))
	assert.Regexp(t, `^"[\w-]{22}"$`, conditional.Tag(nil))
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"":                  false,
		`"x"`:               true,
		`"y"`:               false,
		`"y", "x"`:          true,
		`"y","x"`:           true,
		`W/"x"`:             true,
		`"y", W/"x" , "z"`:  true,
		`*`:                 true,
		`x`:                 false,
		`"X"`:               false,
		`"y", nonsense, ",`: false,
	} {
		assert.Equal(t, want, conditional.Matches(header, `"x"`), header)
	}
}
