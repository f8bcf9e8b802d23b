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
func (s *server) discardRest(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isShort := r.ContentLength >= 0 && r.ContentLength <= netHTTPReads
		answer, ok := w.(middleware.WrapResponseWriter) // from observe
		if isShort || !ok || r.ProtoMajor != 1 {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(lastAnswer{answer}, r)
		if !isRefusal(answer.Status()) {
			return
		}
		control := http.NewResponseController(w)
		if control.EnableFullDuplex() != nil || control.Flush() != nil || control.SetReadDeadline(time.Now().Add(s.restPatience)) != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, r.Body, maxRest) // whatever ends it, nothing more can be done
	})
}

// lastAnswer closes the connection after a refusal. The rest of the body may arrive too
// late, and must not be taken for the next request.
type lastAnswer struct{ middleware.WrapResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (a lastAnswer) WriteHeader(status int) {
	if isRefusal(status) {
		a.Header().Set("Connection", "close")
	}
	a.WrapResponseWriter.WriteHeader(status)
}

// isRefusal reports whether a status means that a request was refused. One whose body
// didn't arrive in time has had its time.
func isRefusal(status int) bool {
	return status >= http.StatusBadRequest && status != http.StatusRequestTimeout
}
