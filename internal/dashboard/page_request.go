package dashboard

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"learninglog/internal/problem"
	"learninglog/query"
)

// pageRequest is what the address of a learner's page says.
type pageRequest struct {
	userID uuid.UUID
	view   view
	// year is that of the calendar.
	year int
	// after is the position in the list of logs. Nil is its beginning.
	after *query.Cursor
	// learner is whose page it is.
	learner query.Learner
}

func (p *Pages) parsePageRequest(r *http.Request) (request pageRequest, err error) {
	if request.userID, err = learnerOf(r); err != nil {
		return pageRequest{}, err
	}
	parameters, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // url.Query would leave out what it can't read
		return pageRequest{}, wrongAddress("the part after ? must be pairs of name=value, joined by &, with % and ; escaped")
	}
	if request.learner, err = p.Reader.Learner(r.Context(), request.userID, time.Now()); err != nil {
		return pageRequest{}, err
	}
	clock := request.learner.Clock
	request.year = clock.Now.In(clock.Zone).Year()
	if request.view, err = parseView(parameters, clock.Today()); err != nil {
		return pageRequest{}, err
	}
	if text := parameters.Get("year"); text != "" {
		const first, last = 1, 9998
		if request.year, err = strconv.Atoi(text); err != nil || request.year < first || request.year > last {
			return pageRequest{}, wrongParameter("year", "must be a year from 1 to 9998")
		}
	}
	if text := parameters.Get("after"); text != "" {
		cursor, err := query.ParseCursor(text)
		if err != nil {
			return pageRequest{}, wrongParameter("after", "must be what a page of this list gave out")
		}
		request.after = &cursor
	}
	return request, nil
}

func parseUserID(text string) (uuid.UUID, error) {
	userID, err := uuid.Parse(text)
	if err != nil || len(text) != len(uuid.Nil.String()) {
		return uuid.Nil, problem.NotALearner(text)
	}
	return userID, nil
}

func wrongParameter(name, what string) error { return wrongAddress(name + " " + what) }

// wrongAddress is the problem of an address in which a parameter is wrong. What is wrong
// begins with the name of the parameter.
func wrongAddress(what string) error {
	return problem.Invalid.New("In it, " + what + ".").Titled("This address isn't right")
}

// readForm reads the form in a request.
func readForm(w http.ResponseWriter, r *http.Request) error {
	const most = 16 << 10
	r.Body = http.MaxBytesReader(w, r.Body, most)
	if err := r.ParseForm(); err != nil {
		return unreadableForm()
	}
	return nil
}

func unreadableForm() error {
	return problem.Unreadable.New("Go back, and send it again.").Titled("The form can't be read")
}
