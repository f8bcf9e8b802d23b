package problem

import (
	"net/http"
	"strings"
	"time"
)

// Kind is a kind of problem: its stable name, its status, and the text of its page.
type Kind struct {
	Name   string
	Status int
	Title  string
	Help   string
}

// Path returns the path of the page that explains the kind. It is also the problem's
// type in JSON.
func (k Kind) Path() string { return "/problems/" + k.Name }

// Text returns the title and the help, as sentences.
func (k Kind) Text() string {
	if strings.HasSuffix(k.Title, "?") {
		return k.Title + " " + k.Help
	}
	return k.Title + ". " + k.Help
}

// The kinds of problems.
//
//nolint:gochecknoglobals // constants
var (
	NotHTTP = Kind{
		"malformed-request", http.StatusBadRequest, "The request is not valid HTTP",
		"Its header can't be understood, is too large, or asks for what this service can't do. That is a mistake in the " +
			"client or in a proxy. The status may be more specific than 400.",
	}
	Unreadable = Kind{
		"unreadable-body", http.StatusBadRequest, "The body can't be read",
		"It arrived, and is not what its content type says. Don't send it again unchanged.",
	}
	Unauthenticated = Kind{
		"unauthenticated", http.StatusUnauthorized, "Who are you?",
		"The request needs a key or a token that is known: Authorization: Bearer. One that was sent may have expired, or " +
			"was revoked. Operators create keys: learninglog key create.",
	}
	Forbidden = Kind{
		"forbidden", http.StatusForbidden, "That is not yours to do",
		"Whoever the request is from may not do this. A key has scopes, and may be of one learner; a learner who is logged in " +
			"has their own logs alone.",
	}
	OtherHost = Kind{
		"host-not-allowed", http.StatusForbidden, "The service is not known by this host name",
		"A name that isn't known may be of another site, whose page points it here to act in a visitor's name. " +
			"Ask for the service by its address or as localhost, or let its operator allow the name: --allowed-hosts.",
	}
	OtherSite = Kind{
		"other-site", http.StatusForbidden, "The request comes from a page of another site",
		"A browser may change something here only for pages that come from here too, and for those of an origin that the " +
			"operator of the service has allowed to use the API: --allowed-origins.",
	}
	NotFound = Kind{
		"not-found", http.StatusNotFound, "There is nothing here",
		"The path, or what it names, does not exist. A log may exist under another user. If a post is answered so, its address " +
			"is wrong, and not the log.",
	}
	MethodNotAllowed = Kind{
		"method-not-allowed", http.StatusMethodNotAllowed, "The method is not allowed here",
		"The Allow header lists the methods that are.",
	}
	TimedOut = Kind{
		"request-timeout", http.StatusRequestTimeout, "The body did not arrive",
		"It broke off on its way, or did not arrive in time. Nothing is wrong with what was in it: send it again later, unchanged.",
	}
	AlreadyRecorded = Kind{
		"already-recorded", http.StatusConflict, "The log is already recorded",
		"A log with the same request id, user, words and timestamp was recorded before: treat this one as done. " +
			"With ?on_duplicate=return the same request is answered 200 and the recorded log instead.",
	}
	RequestIDReused = Kind{
		"request-id-reused", http.StatusConflict, "The request id belongs to another log",
		"A log with the same request id but other fields was recorded before, and this one was not. " +
			"That is a mistake in the client: every log needs a request id of its own.",
	}
	Voided = Kind{
		"voided", http.StatusConflict, "The log was taken back",
		"A log with the same request id and the same fields was recorded before and voided since. It doesn't count, " +
			"and recording it again can't change that. Don't send it again.",
	}
	ReplacedUnknown = Kind{
		"replaced-unknown", http.StatusConflict, "There is nothing to replace",
		"The log that this one should replace does not exist, or was taken back or replaced before. " +
			"This log was not recorded. If the other one is still to be sent, send that first, and then this one again. Else post " +
			"it without replaces if it should count all the same.",
	}
	Conflict = Kind{
		"conflict", http.StatusConflict, "That can't be done just now",
		"What the request names is in a state in which this isn't possible. The detail says why.",
	}
	Erased = Kind{
		"erased", http.StatusGone, "This learner was erased",
		"Everything of the learner was deleted, or is being deleted, and nothing is recorded any more. " +
			"Don't send it again: forget it on the device too.",
	}
	TooLarge = Kind{
		"too-large", http.StatusRequestEntityTooLarge, "The body is too large",
		"Split it into several requests.",
	}
	Unsupported = Kind{
		"unsupported-media-type", http.StatusUnsupportedMediaType, "The content type or encoding is not supported",
		"Send the body in a supported format, and say so in the Content-Type header. It may be compressed with gzip " +
			"(Content-Encoding), and not otherwise.",
	}
	Invalid = Kind{
		"invalid-request", http.StatusUnprocessableEntity, "The request is not valid",
		"The errors say which fields are wrong and what would be right. Don't send it again unchanged.",
	}
	TooOld = Kind{
		"too-old", http.StatusUnprocessableEntity, "The log is too old",
		"Logs from before some time are not kept, so it can't be told whether this one was recorded before. It was not " +
			"recorded now, and never will be; if it was recorded in time, it is counted. Don't send it again.",
	}
	SumTooLarge = Kind{
		"sum-too-large", http.StatusUnprocessableEntity, "A sum is too large",
		"The sums that were asked for don't fit into 64 bits, so some of the rows that they are made from are corrupt. " +
			"No log is lost: learninglog verify finds those rows, and learninglog rebuild repairs them from the logs. " +
			"A range without them is answered already.",
	}
	TooManyFailures = Kind{
		"too-many-failures", http.StatusTooManyRequests, "Too many keys were wrong",
		"Many requests from this address had keys, tokens or sessions that are not known. Until the time in the Retry-After " +
			"header has passed, no other is looked at that isn't known by heart.",
	}
	QuotaExceeded = Kind{
		"quota-exceeded", http.StatusTooManyRequests, "You write more logs than you may",
		"Send the same request again after the time in the Retry-After header: nothing of it was recorded. Whoever has a key may " +
			"write so many logs a second, on average. NDJSON is never refused, but read more slowly.",
	}
	Unavailable = Kind{
		"unavailable", http.StatusServiceUnavailable, "The service can't do that just now",
		"Send the same request again after the time in the Retry-After header. A log that was being posted may or may " +
			"not have been recorded: posting it again with the same request id finds out, and never counts it twice.",
	}
	Internal = Kind{
		"internal-error", http.StatusInternalServerError, "Something went wrong on this side",
		"The reason is in the service's log, under the id in the X-Request-Id header.",
	}
)

// NoSuchLog returns the problem of a log that doesn't exist, or not any more if it is from
// before an instant. The zero time means that none was purged.
func NoSuchLog(purgedBefore time.Time) *Problem {
	detail := "Nothing is known under this id, or not for this user."
	if !purgedBefore.IsZero() {
		detail += " Logs from before " + purgedBefore.Format(time.RFC3339) + " were purged: they stay counted, and can't be taken back."
	}
	return NotFound.New(detail)
}

// Kinds returns all kinds, ordered by status.
func Kinds() []Kind {
	return []Kind{
		NotHTTP, Unreadable, Unauthenticated, Forbidden, OtherHost, OtherSite, NotFound, MethodNotAllowed, TimedOut, AlreadyRecorded, RequestIDReused,
		Voided, ReplacedUnknown, Conflict, Erased, TooLarge, Unsupported, Invalid, TooOld, SumTooLarge, TooManyFailures, QuotaExceeded, Internal, Unavailable,
	}
}
