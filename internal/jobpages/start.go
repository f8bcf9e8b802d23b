package jobpages

import (
	"bytes"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// open leads to the list of jobs of the first state of which there are any. River UI itself
// would begin with those that run, which are rarely there.
func (c Config) open(w http.ResponseWriter, r *http.Request) {
	found := rivertype.JobStateRunning
	for _, state := range []rivertype.JobState{
		rivertype.JobStateRunning, rivertype.JobStateAvailable, rivertype.JobStateRetryable, rivertype.JobStatePending,
		rivertype.JobStateCompleted, rivertype.JobStateDiscarded, rivertype.JobStateCancelled, rivertype.JobStateScheduled,
	} {
		jobs, err := c.Client.JobList(r.Context(), river.NewJobListParams().States(state).First(1))
		if err != nil {
			c.Logger.WarnContext(r.Context(), "looking for jobs to show", slog.Any("error", err))
			break // the page says that it is so
		}
		if len(jobs.Jobs) > 0 {
			found = state
			break
		}
	}
	http.Redirect(w, r, c.Path+"/jobs?"+url.Values{"state": {string(found)}}.Encode(), http.StatusFound)
}

// withWayBack adds a link that leads back to the pages of River UI, which all are one file.
func (c Config) withWayBack(ui http.Handler) http.Handler {
	link := fmt.Sprintf(`<nav aria-label="Back" class="border-b px-4 py-2 text-right text-sm lg:px-8 lg:pl-16 dark:border-slate-800">`+
		`<a class="font-semibold text-slate-600 hover:underline dark:text-slate-300" href="%s">← Operations</a></nav>`, html.EscapeString(c.Back))
	const content = `<div id="root"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept := &pageKeeper{ResponseWriter: w}
		ui.ServeHTTP(kept, r)
		if kept.isPage {
			_, _ = w.Write(bytes.Replace(kept.page.Bytes(), []byte(content), []byte(link+content), 1))
		}
	})
}

// pageKeeper passes a response on, but keeps the text of a page.
type pageKeeper struct {
	http.ResponseWriter

	isPage bool
	page   bytes.Buffer
}

func (k *pageKeeper) WriteHeader(status int) {
	if status == http.StatusOK && strings.HasPrefix(k.Header().Get("Content-Type"), "text/html") {
		k.isPage = true
		k.Header().Del("Content-Length") // which will be another one
	}
	k.ResponseWriter.WriteHeader(status)
}

func (k *pageKeeper) Write(text []byte) (int, error) {
	if k.isPage {
		return k.page.Write(text)
	}
	return k.ResponseWriter.Write(text)
}

// Unwrap makes an [http.ResponseController] find the response.
func (k *pageKeeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }
