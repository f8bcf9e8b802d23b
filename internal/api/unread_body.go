package api

import (
	"io"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5/middleware"
)

const (
	// netHTTPReads is how much of the unread rest of a body net/http reads by itself.
	netHTTPReads = 256 << 10
	// maxRest and restPatience limit how much more of it is read.
	maxRest      = 8 << 20
	restPatience = 5 * time.Second
)

// discardRest reads the rest of the body of a request that was refused before it was read.
// Many clients send everything before they read the answer. If the connection were closed
// before, they would be told that it was reset, and try again.
func discardRest(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		short := r.ContentLength >= 0 && r.ContentLength <= netHTTPReads
		answer, ok := w.(middleware.WrapResponseWriter) // from observe
		if short || !ok || r.ProtoMajor != 1 || !isRefusal(answer.Status()) {
			return
		}
		control := http.NewResponseController(w)
		if control.EnableFullDuplex() != nil || control.Flush() != nil || control.SetReadDeadline(time.Now().Add(restPatience)) != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, r.Body, maxRest) // whatever ends it, nothing more can be done
	})
}

// isRefusal reports whether a status means that a request was refused. One whose body
// didn't arrive in time has had its time.
func isRefusal(status int) bool {
	return status >= http.StatusBadRequest && status != http.StatusRequestTimeout
}
