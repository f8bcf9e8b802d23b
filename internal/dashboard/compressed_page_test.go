package dashboard //nolint:testpackage // only a page can cause what it is about

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A client may have the page in the other coding: it is told that it is the same, and
// the tag of the page as it would get it now.
func TestA304HasTheTagOfWhatWouldBeSent(t *testing.T) {
	t.Parallel()
	const tag = `"abc"`
	for _, accepts := range []string{"gzip", "identity"} {
		want := tag
		if accepts == "gzip" {
			want = `"abc-gzip"`
		}
		for _, seen := range []string{tag, `"abc-gzip"`, `W/"abc"`, "*", `"x", "abc"`} {
			request := httptest.NewRequest(http.MethodGet, "/", nil)
			request.Header.Set("Accept-Encoding", accepts)
			request.Header.Set("If-None-Match", seen)
			answer := httptest.NewRecorder()

			assert.True(t, notModified(answer, request, tag), "%s, has %s", accepts, seen)
			assert.Equal(t, http.StatusNotModified, answer.Code)
			assert.Equal(t, want, answer.Header().Get("ETag"), "%s, has %s", accepts, seen)
		}
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("If-None-Match", `"other"`)
		assert.False(t, notModified(httptest.NewRecorder(), request, tag))
	}
}
