package api

import (
	"net/http"

	"learninglog/internal/access"
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
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	const open, write, read, rebuilds, keys = access.Open, access.WriteLogs, access.ReadLogs, access.Rebuilds, access.ManageKeys
	var (
		reading    = []problem.Kind{problem.Unavailable}
		summing    = []problem.Kind{problem.SumTooLarge, problem.Unavailable}
		readingOne = []problem.Kind{problem.NotFound, problem.Unavailable}
		posting    = []problem.Kind{
			problem.Unreadable, problem.TimedOut, problem.TooLarge, problem.Unsupported, problem.Unavailable,
		}
		writing    = append([]problem.Kind{problem.QuotaExceeded}, posting...)
		setting    = append([]problem.Kind{problem.Erased}, writing...)
		voiding    = append([]problem.Kind{problem.QuotaExceeded, problem.Erased}, readingOne...)
		revoking   = append([]problem.Kind{problem.QuotaExceeded}, readingOne...)
		postingOne = append([]problem.Kind{
			problem.AlreadyRecorded, problem.RequestIDReused, problem.Voided, problem.ReplacedUnknown, problem.Erased, problem.TooOld,
		}, writing...)
		loggingIn = []problem.Kind{problem.Unauthenticated, problem.TooManyFailures, problem.Unreadable, problem.Unavailable}
		jobPages  = []problem.Kind{
			problem.NotFound, problem.MethodNotAllowed, problem.Unreadable, problem.TooLarge, problem.Conflict, problem.Unavailable,
		}
	)
	return []route{
		{post, RecordPath, write, rawOperation(s.documentRecord(), s.record), postingOne},
		{post, RecordPath + "/batch", write, operation(s.documentRecordMany(), s.recordMany), writing},
		{post, RecordPath + "/void", write, operation(s.documentVoidMany(), s.voidMany), writing},

		{get, "/v1/users/{user_id}/learning-logs", read, operation(documentListLogs(), s.listLogs), reading},
		{get, "/v1/users/{user_id}/learning-logs/{request_id}", read, operation(documentGetLog(), s.getLog), readingOne},
		{del, "/v1/users/{user_id}/learning-logs/{request_id}", write, operation(documentVoid(), s.void), voiding},
		{get, "/v1/users/{user_id}/summary", read, readOperation[summaryInput](s.documentGetSummary(), s.getSummary), summing},
		{get, "/v1/users/{user_id}/streak", read, operation(s.documentGetStreak(), s.getStreak), reading},
		{get, "/v1/users/{user_id}/activity", read, operation(s.documentGetActivity(), s.getActivity), summing},

		{get, "/v1/users/{user_id}/settings", read, operation(s.documentGetSettings(), s.getSettings), reading},
		{put, "/v1/users/{user_id}/settings", write, operation(s.documentPutSettings(), s.putSettings), setting},
		{get, "/v1/users/{user_id}/share-links", read, operation(documentListShareLinks(), s.listShareLinks), readingOne},
		{post, "/v1/users/{user_id}/share-links", write, operation(s.documentCreateShareLink(), s.createShareLink), append([]problem.Kind{problem.NotFound, problem.Conflict}, setting...)},
		{del, "/v1/users/{user_id}/share-links/{id}", write, operation(documentRevokeShareLink(), s.revokeShareLink), revoking},
		{get, "/v1/users/{user_id}/export", read, operation(s.documentExport(), s.export), reading},
		{del, "/v1/users/{user_id}", rebuilds, operation(documentErase(), s.erase), reading},
		{post, "/v1/sealed-days", rebuilds, operation(s.documentRestoreSealedDays(), s.restoreSealedDays), posting},
		{get, "/v1/erasures", rebuilds, operation(documentListErasures(), s.listErasures), reading},
		{del, "/v1/erasures/{user_id}", rebuilds, operation(documentUnerase(), s.unerase), readingOne},

		{post, "/v1/rebuilds", rebuilds, operation(s.documentRequestRebuild(), s.requestRebuild), posting},
		{post, "/v1/rezones", rebuilds, operation(s.documentRequestRezone(), s.requestRezone), posting},
		{post, "/v1/purges", rebuilds, operation(s.documentRequestPurge(), s.requestPurge), posting},
		{get, "/v1/rebuilds", rebuilds, operation(documentListRebuilds(), s.listRebuilds), reading},
		{del, "/v1/rebuilds", rebuilds, operation(documentCancelWaiting(), s.cancelWaiting), reading},
		{get, "/v1/rebuilds/{id}", rebuilds, operation(documentGetRebuild(), s.getRebuild), readingOne},
		{del, "/v1/rebuilds/{id}", rebuilds, operation(s.documentCancelRebuild(), s.cancelRebuild), readingOne},
		{get, "/v1/rebuilds/{id}/events", rebuilds, operation(documentWatchRebuild(), s.watchRebuild), readingOne},
		{get, "/v1/verifications", rebuilds, operation(documentListVerifications(), s.listVerifications), reading},

		{get, "/v1/keys", keys, operation(documentListKeys(), s.listKeys), readingOne},
		{post, "/v1/keys", keys, operation(s.documentCreateKey(), s.createKey), append([]problem.Kind{problem.NotFound}, posting...)},
		{post, "/v1/keys/{id}/rotate", keys, operation(documentRotateKey(), s.rotateKey), append([]problem.Kind{problem.NotFound}, posting...)},
		{del, "/v1/keys/{id}", keys, operation(documentRevokeKey(), s.revokeKey), readingOne},
		{get, "/v1/audit", rebuilds, operation(documentListAudit(), s.listAudit), reading},

		{get, HealthPath, open, operation(documentAlive(), s.alive), nil},
		{get, ReadyPath, open, operation(documentReady(), s.ready), reading},
		{get, "/metrics", rebuilds, plain(s.metrics()), nil},

		{get, "/openapi.json", open, plain(s.openAPI("application/openapi+json", &s.openAPIJSON)), nil},
		{get, "/openapi.yaml", open, plain(s.openAPI("application/openapi+yaml", &s.openAPIYAML)), nil},
		{get, "/docs", open, plain(http.RedirectHandler("/docs/", http.StatusMovedPermanently)), nil},
		{get, "/docs/*", open, plain(s.docs()), []problem.Kind{problem.NotFound}},
		{get, "/problems/{name}", open, plain(http.HandlerFunc(s.explainProblem)), []problem.Kind{problem.NotFound}},

		{get, "/", read, page(s.Pages.startOrDocs()), reading},
		{get, "/users", read, page(s.Pages.FindUser), reading},
		{get, "/users/{user_id}", read, page(s.Pages.Learner), append(summing, readingOne...)},
		{post, "/users/{user_id}/learning-logs/{request_id}/void", write, page(s.charged(s.Pages.Void)), voiding},
		{post, "/users/{user_id}/settings", write, page(s.charged(s.bounded(s.Pages.ChangeSettings))), setting},
		{post, "/users/{user_id}/erase", rebuilds, page(s.Pages.Erase), reading},
		{get, "/users/{user_id}/streak.svg", read, page(s.Pages.StreakBadge), readingOne},
		{get, "/users/{user_id}/calendar.svg", read, page(s.Pages.CalendarBadge), append(summing, readingOne...)},
		{get, "/users/{user_id}/share-links", read, page(s.Pages.ListShareLinks), readingOne},
		{post, "/users/{user_id}/share-links", write, page(s.charged(s.bounded(s.Pages.CreateShareLink))), append([]problem.Kind{problem.NotFound, problem.Conflict}, setting...)},
		{post, "/users/{user_id}/share-links/{id}/revoke", write, page(s.charged(s.bounded(s.Pages.RevokeShareLink))), revoking},
		{get, shareLinkPath, access.SeePage, page(s.Pages.Learner), append(summing, readingOne...)},
		{get, shareLinkPath + "/streak.svg", access.SeePage, page(s.Pages.StreakBadge), readingOne},
		{get, shareLinkPath + "/calendar.svg", access.SeePage, page(s.Pages.CalendarBadge), append(summing, readingOne...)},
		{get, "/static/*", open, page(s.withProblemPages(s.Pages.Static)), []problem.Kind{problem.NotFound}},
		{get, "/login", open, page(s.Pages.LogIn), nil},
		{post, "/login", open, page(s.Pages.LogInWithKey), loggingIn},
		{get, "/login/start", open, page(s.Pages.StartLogin), reading},
		{get, "/login/callback", open, page(s.Pages.FinishLogin), loggingIn},
		{post, "/logout", open, page(s.Pages.LogOut), reading},
		{get, "/admin", rebuilds, page(s.Pages.Operator), reading},
		{get, "/admin/", rebuilds, page(s.Pages.redirectToOperator()), nil},
		{get, "/admin/audit", rebuilds, page(s.Pages.Audit), reading},
		{post, "/admin/rebuilds", rebuilds, page(s.Pages.RequestRebuild), []problem.Kind{problem.Unreadable, problem.Unavailable}},
		{post, "/admin/rezones", rebuilds, page(s.Pages.RequestRezone), []problem.Kind{problem.Unreadable, problem.Unavailable}},
		{post, "/admin/purges", rebuilds, page(s.Pages.RequestPurge), []problem.Kind{problem.Unreadable, problem.Unavailable}},
		{post, "/admin/rebuilds/cancel", rebuilds, page(s.Pages.CancelWaiting), reading},
		{post, "/admin/rebuilds/{id}/cancel", rebuilds, page(s.Pages.CancelRebuild), readingOne},
		{post, "/admin/queues/{queue}/resume", rebuilds, page(s.Pages.ResumeQueue), readingOne},
		{get, "/admin/keys", keys, page(s.Pages.ListKeys), reading},
		{post, "/admin/keys", keys, page(s.Pages.CreateKey), []problem.Kind{problem.Unreadable, problem.Unavailable}},
		{post, "/admin/keys/{id}/rotate", keys, page(s.Pages.RotateKey), readingOne},
		{post, "/admin/keys/{id}/revoke", keys, page(s.Pages.RevokeKey), readingOne},
		{anyMethod, JobsPath, rebuilds, page(s.withProblemPages(s.Pages.Jobs)), jobPages},
		{anyMethod, JobsPath + "/*", rebuilds, page(s.withProblemPages(s.Pages.Jobs)), jobPages},
	}
}
