package panics_test

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/panics"
)

func TestCaught(t *testing.T) {
	t.Parallel()
	require.NoError(t, panics.Caught(func() {}))

	err := panics.Caught(explode)

	caught, ok := errors.AsType[*panics.Error](err)
	require.True(t, ok)
	assert.Equal(t, "bang", caught.Cause)
	assert.Contains(t, err.Error(), "bang")
	assert.Contains(t, err.Error(), "panics_test.explode", "the stack says where")
}

func TestReturned(t *testing.T) {
	t.Parallel()
	require.NoError(t, panics.Returned(func() error { return nil }))
	assert.Equal(t, io.EOF, panics.Returned(func() error { return io.EOF }))
	assert.ErrorContains(t, panics.Returned(func() error { explode(); return nil }), "bang")
}

func explode() { panic("bang") }
