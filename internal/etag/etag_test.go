package etag_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"learninglog/internal/etag"
)

func TestTag(t *testing.T) {
	t.Parallel()
	tag := etag.Of([]byte("a"))
	assert.Equal(t, tag, etag.Of([]byte("a")))
	assert.NotEqual(t, tag, etag.Of([]byte("b")))
	assert.Regexp(t, `^"[0-9a-z]{1,13}"$`, etag.Of(nil))
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
		assert.Equal(t, want, etag.Matches(header, `"x"`), header)
	}
}
