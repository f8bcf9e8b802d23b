package jobpages

import (
	"bytes"
	"io"
	"net/http"

	"learninglog/internal/problem"
)

// endpoints returns the part of River UI's API that is served, at path. Other endpoints
// are for River Pro, or would come with another version, whose input somebody has to
// check first.
func endpoints(path string, ui http.Handler) http.Handler {
	api := http.NewServeMux()
	for method, served := range map[string][]string{
		http.MethodGet: {
			"/autocomplete", "/features", "/health-checks/{name}", "/jobs", "/jobs/{job_id}",
			"/queues", "/queues/{name}", "/states", "/version",
		},
		http.MethodPut: {"/queues/{name}/pause", "/queues/{name}/resume"},
	} {
		for _, endpoint := range served {
			api.Handle(method+" "+path+endpoint, bare(ui, nil))
		}
	}
	for _, action := range []string{"/cancel", "/delete", "/retry"} {
		api.Handle(http.MethodPost+" "+path+"/jobs"+action, withJobIDs(ui))
	}
	return api
}

// withJobIDs passes a body on that has the ids of jobs. They are in order, so that
// requests which change the same jobs don't wait for each other in a circle.
func withJobIDs(ui http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, wrong := readJobIDs(w, r)
		if wrong != nil {
			wrong.WriteJSON(w)
			return
		}
		bare(ui, body).ServeHTTP(w, r)
	})
}

// onlyRead refuses requests that want to change a page.
func onlyRead(ui http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		bare(ui, nil).ServeHTTP(w, r)
	})
}

// bare passes a request on with a body of ours, and with the only header that River UI
// understands. Others could only ask for parts of a file, or for one that has changed.
func bare(ui http.Handler, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		passed := r.Clone(r.Context())
		passed.Header = http.Header{}
		if accepted := r.Header.Values("Accept"); accepted != nil {
			passed.Header["Accept"] = accepted
		}
		passed.Body, passed.ContentLength, passed.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		ui.ServeHTTP(w, passed)
	})
}

// checked refuses paths and parameters that River UI can't digest.
func checked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isText(r.URL.Path) {
			problem.NotFound.New("").WriteJSON(w)
			return
		}
		if wrong := checkQuery(r.URL.RawQuery); wrong != nil {
			wrong.WriteJSON(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}
