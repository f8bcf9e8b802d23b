package api

import "net/http"

// kind is a kind of problem: its stable name, and what its page says.
type kind struct {
	name   string
	status int
	title  string
	help   string
}

// The kinds of problems that there are.
//
//nolint:gochecknoglobals // constants
var (
	unreadable = kind{
		"unreadable-body", http.StatusBadRequest, "The body can't be read",
		"The body is not what its content type says, or it broke off. Don't send it again unchanged.",
	}
	notFound = kind{
		"not-found", http.StatusNotFound, "There is nothing here",
		"The path, or what it names, does not exist. A log may exist under another user.",
	}
	methodNotAllowed = kind{
		"method-not-allowed", http.StatusMethodNotAllowed, "The method is not allowed here",
		"The Allow header lists the methods that are.",
	}
	otherSite = kind{
		"other-site", http.StatusForbidden, "The request comes from a page of another site",
		"A browser may change something here only for pages that come from here too.",
	}
	timedOut = kind{
		"request-timeout", http.StatusRequestTimeout, "The request took too long to arrive",
		"The body did not arrive in time. Send it again, or in smaller parts.",
	}
	alreadyRecorded = kind{
		"already-recorded", http.StatusConflict, "The log is already recorded",
		"A log with the same request id and the same fields was recorded before: treat this one as done. " +
			"With ?on_duplicate=return the same request is answered 200 and the recorded log instead.",
	}
	requestIDReused = kind{
		"request-id-reused", http.StatusConflict, "The request id belongs to another log",
		"A log with the same request id but other fields was recorded before, and this one was not. " +
			"That is a mistake in the client: every log needs a request id of its own.",
	}
	tooLarge = kind{
		"too-large", http.StatusRequestEntityTooLarge, "The body is too large",
		"Split it into several requests.",
	}
	unsupported = kind{
		"unsupported-media-type", http.StatusUnsupportedMediaType, "The content type is not supported",
		"Send the body in a supported format, and say so in the Content-Type header.",
	}
	invalid = kind{
		"invalid-request", http.StatusUnprocessableEntity, "The request is not valid",
		"The errors say which fields are wrong and what would be right. Don't send it again unchanged.",
	}
	unavailable = kind{
		"unavailable", http.StatusServiceUnavailable, "The service can't do that just now",
		"Send the same request again after the time in the Retry-After header. A log that was being posted may or may " +
			"not have been recorded: posting it again with the same request id finds out, and never counts it twice.",
	}
	internal = kind{
		"internal-error", http.StatusInternalServerError, "Something went wrong on this side",
		"The reason is in the service's log, under the id in the X-Request-Id header.",
	}
)

// kinds lists them all, for the pages that explain them.
func kinds() []kind {
	return []kind{
		unreadable, otherSite, notFound, methodNotAllowed, timedOut, alreadyRecorded, requestIDReused,
		tooLarge, unsupported, invalid, unavailable, internal,
	}
}

func (k kind) problem(detail string, errors ...FieldProblem) *Problem {
	return &Problem{
		Type:   "/problems/" + k.name,
		Title:  k.title,
		Status: k.status,
		Detail: detail,
		Errors: errors,
	}
}

func kindOf(status int) kind {
	for _, kind := range kinds() {
		if kind.status == status {
			return kind
		}
	}
	return internal
}
