package dashboard

import (
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// postCommand is a command line that posts a log of a user. The log has the same
// request id each time, so that it is recorded once. Where that needs a key, it is in a
// variable.
func (p *Pages) postCommand(r *http.Request, userID uuid.UUID) string {
	authorization := ""
	if p.Login != nil {
		authorization = ` -H "Authorization: Bearer $LEARNINGLOG_KEY"`
	}
	return "curl " + origin(r) + "/v1/learning-logs" + authorization + " -H 'Content-Type: application/json' -d '" +
		`{"request_id":"` + uuid.NewSHA1(userID, []byte("first log")).String() + `","user_id":"` + userID.String() + `","word_count":12}'`
}

// origin returns the scheme and host by which the visitor reaches the service. A host
// with characters that a shell might interpret is replaced by localhost.
func origin(r *http.Request) string {
	scheme, host := "http", r.Host
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	isOdd := func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune(".-:[]", c)
	}
	if host == "" || strings.ContainsFunc(host, isOdd) {
		host = "localhost"
	}
	return scheme + "://" + host
}
