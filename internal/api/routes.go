package api

import (
	"net/http"

	"learninglog/internal/problem"
)

// RecordPath is the path for posting a log.
const RecordPath = "/v1/learning-logs"

// JobsPath is the path of the pages about jobs, which also handle everything below
// it.
const JobsPath = "/admin/jobs"

// Paths of health checks.
const (
	HealthPath = "/healthz"
	ReadyPath  = "/readyz"
)

// routes returns the table of routes. Nothing else is served, and the OpenAPI
// document is made from this table.
func (s *server) routes() []route {
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	var (
		reading    = []problem.Kind{problem.Unavailable}
		summing    = []problem.Kind{problem.SumTooLarge, problem.Unavailable}
		readingOne = []problem.Kind{problem.NotFound, problem.Unavailable}
		posting    = []problem.Kind{
			problem.Unreadable, problem.TimedOut, problem.TooLarge, problem.Unsupported, problem.Unavailable,
		}
		postingOne = append([]problem.Kind{
			problem.AlreadyRecorded, problem.RequestIDReused, problem.Voided, problem.ReplacedUnknown,
		}, posting...)
		jobPages = []problem.Kind{
			problem.NotFound, problem.MethodNotAllowed, problem.Unreadable, problem.TooLarge, problem.Conflict, problem.Unavailable,
		}
	)
	return []route{
		{post, RecordPath, open, rawOperation(s.documentRecord(), s.record), postingOne},
		{post, RecordPath + "/batch", open, operation(s.documentRecordMany(), s.recordMany), posting},
		{post, RecordPath + "/void", open, operation(s.documentVoidMany(), s.voidMany), posting},

		{get, "/v1/users/{user_id}/learning-logs", open, operation(documentListLogs(), s.listLogs), reading},
		{get, "/v1/users/{user_id}/learning-logs/{request_id}", open, operation(documentGetLog(), s.getLog), readingOne},
		{del, "/v1/users/{user_id}/learning-logs/{request_id}", open, operation(documentVoid(), s.void), readingOne},
		{get, "/v1/users/{user_id}/summary", open, operation(s.documentGetSummary(), s.getSummary), summing},
		{get, "/v1/users/{user_id}/streak", open, operation(s.documentGetStreak(), s.getStreak), reading},
		{get, "/v1/users/{user_id}/activity", open, operation(s.documentGetActivity(), s.getActivity), summing},

		{post, "/v1/rebuilds", open, operation(s.documentRequestRebuild(), s.requestRebuild), posting},
		{post, "/v1/rezones", open, operation(s.documentRequestRezone(), s.requestRezone), posting},
		{get, "/v1/rebuilds", open, operation(documentListRebuilds(), s.listRebuilds), reading},
		{del, "/v1/rebuilds", open, operation(documentCancelWaiting(), s.cancelWaiting), reading},
		{get, "/v1/rebuilds/{id}", open, operation(documentGetRebuild(), s.getRebuild), readingOne},
		{del, "/v1/rebuilds/{id}", open, operation(s.documentCancelRebuild(), s.cancelRebuild), readingOne},
		{get, "/v1/rebuilds/{id}/events", open, operation(documentWatchRebuild(), s.watchRebuild), readingOne},
		{get, "/v1/verifications", open, operation(documentListVerifications(), s.listVerifications), reading},

		{get, HealthPath, open, operation(documentAlive(), s.alive), nil},
		{get, ReadyPath, open, operation(documentReady(), s.ready), reading},
		{get, "/metrics", open, plain(s.metrics()), nil},

		{get, "/openapi.json", open, plain(s.openAPI("application/openapi+json", &s.openAPIJSON)), nil},
		{get, "/openapi.yaml", open, plain(s.openAPI("application/openapi+yaml", &s.openAPIYAML)), nil},
		{get, "/docs", open, plain(http.RedirectHandler("/docs/", http.StatusMovedPermanently)), nil},
		{get, "/docs/*", open, plain(docs()), []problem.Kind{problem.NotFound}},
		{get, "/problems/{name}", open, plain(http.HandlerFunc(s.explainProblem)), []problem.Kind{problem.NotFound}},

		{get, "/", open, page(s.Pages.startOrDocs()), reading},
		{get, "/users", open, page(s.Pages.FindUser), reading},
		{get, "/users/{user_id}", open, page(s.Pages.Learner), append(summing, readingOne...)},
		{post, "/users/{user_id}/learning-logs/{request_id}/void", open, page(s.Pages.Void), readingOne},
		{get, "/static/*", open, page(s.Pages.Static), []problem.Kind{problem.NotFound}},
		{get, "/admin", open, page(s.Pages.Operator), reading},
		{get, "/admin/", open, page(s.Pages.redirectToOperator()), nil},
		{post, "/admin/rebuilds", open, page(s.Pages.RequestRebuild), []problem.Kind{problem.Unreadable, problem.Unavailable}},
		{post, "/admin/rezones", open, page(s.Pages.RequestRezone), []problem.Kind{problem.Unreadable, problem.Unavailable}},
		{post, "/admin/rebuilds/cancel", open, page(s.Pages.CancelWaiting), reading},
		{post, "/admin/rebuilds/{id}/cancel", open, page(s.Pages.CancelRebuild), readingOne},
		{post, "/admin/queues/{queue}/resume", open, page(s.Pages.ResumeQueue), readingOne},
		{anyMethod, JobsPath, open, page(s.Pages.Jobs), jobPages},
		{anyMethod, JobsPath + "/*", open, page(s.Pages.Jobs), jobPages},
	}
}
