package jobpages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5/middleware"

	"learninglog/internal/audit"
	"learninglog/internal/problem"
)

// endpoints returns the part of River UI's API that is served, at path. Other endpoints
// are for River Pro, or would come with another version, whose input somebody has to
// check first.
func (c Config) endpoints(path string, ui http.Handler) http.Handler {
	api := http.NewServeMux()
	for _, endpoint := range []string{
		"/autocomplete", "/features", "/health-checks/{name}", "/jobs", "/jobs/{job_id}",
		"/queues", "/queues/{name}", "/states", "/version",
	} {
		api.Handle(http.MethodGet+" "+path+endpoint, bare(ui, nil))
	}
	for endpoint, action := range map[string]audit.Action{"/pause": audit.QueuePaused, "/resume": audit.QueueResumed} {
		api.Handle(http.MethodPut+" "+path+"/queues/{name}"+endpoint, c.changeQueue(ui, action))
	}
	for endpoint, action := range map[string]audit.Action{
		"/cancel": audit.JobsCancelled, "/delete": audit.JobsDeleted, "/retry": audit.JobsRetried,
	} {
		api.Handle(http.MethodPost+" "+path+"/jobs"+endpoint, c.changeJobs(ui, action))
	}
	return api
}

func (c Config) changeQueue(ui http.Handler, action audit.Action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.change(bare(ui, nil), w, r, action, "queue "+r.PathValue("name"))
	})
}

// changeJobs passes a body on that has the ids of jobs. They are in order, so that
// requests which change the same jobs don't wait for each other in a circle.
func (c Config) changeJobs(ui http.Handler, action audit.Action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids, wrong := readJobIDs(w, r)
		if wrong != nil {
			wrong.WriteJSON(w)
			return
		}
		body, _ := json.Marshal(map[string][]int64{"ids": ids}) // can't fail: only numbers
		const ofRecord = 20                                     // so that none is cut off
		var subjects []string
		for some := range slices.Chunk(ids, ofRecord) {
			subjects = append(subjects, "jobs "+strings.Trim(fmt.Sprint(some), "[]"))
		}
		c.change(bare(ui, body), w, r, action, subjects...)
	})
}

// change passes a request on, and records what it did unless it failed.
func (c Config) change(ui http.Handler, w http.ResponseWriter, r *http.Request, action audit.Action, subjects ...string) {
	answer := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
	ui.ServeHTTP(answer, r)
	if answer.Status() >= http.StatusBadRequest {
		return
	}
	for _, subject := range subjects {
		c.Trail.Record(r.Context(), action, subject)
	}
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
