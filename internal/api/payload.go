package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"learninglog/internal/problem"
)

const (
	mediaJSON   = "application/json"
	mediaNDJSON = "application/x-ndjson"
)

// payload is the unread body of a request. An operation embeds it in its input to
// read the body itself. huma would read NDJSON as JSON, ignore the case of field
// names, and answer an incomplete body with 500.
type payload struct {
	reader      io.Reader
	length      int64 // as the client declares it, or -1
	contentType string
	encoding    string
	control     *http.ResponseController // nil in tests
}

// Resolve is called by huma before the operation's handler.
func (p *payload) Resolve(ctx huma.Context) []error {
	request, writer := humachi.Unwrap(ctx)
	*p = payloadOf(writer, request)
	return nil
}

func payloadOf(w http.ResponseWriter, r *http.Request) payload {
	p := payload{
		reader:      r.Body,
		length:      r.ContentLength,
		contentType: r.Header.Get("Content-Type"),
		encoding:    strings.ToLower(strings.Join(r.Header["Content-Encoding"], ", ")),
		control:     http.NewResponseController(w),
	}
	if p.isCompressed() {
		p.reader, p.length = newInflater(r.Body), -1
	}
	return p
}

func (p *payload) isCompressed() bool { return p.encoding == "gzip" || p.encoding == "x-gzip" }

// mediaType returns which of the supported media types the body has. Without a
// Content-Type it is the first one.
func (p *payload) mediaType(supported ...string) (string, error) {
	if !p.isCompressed() && p.encoding != "" && p.encoding != "identity" {
		return "", problem.Unsupported.New("", problem.Field{
			Location: "header.Content-Encoding", Message: "must be gzip, or absent", Value: shownHeader(p.encoding),
		})
	}
	if p.contentType == "" {
		return supported[0], nil
	}
	mediaType, parameters, err := mime.ParseMediaType(p.contentType)
	charset := strings.ToLower(parameters["charset"])
	if err == nil && (charset == "" || charset == "utf-8") {
		if slices.Contains(supported, mediaType) {
			return mediaType, nil
		}
	}
	return "", problem.Unsupported.New("", problem.Field{
		Location: "header.Content-Type",
		Message:  "must be " + strings.Join(supported, " or ") + ", in UTF-8",
		Value:    shownHeader(p.contentType),
	})
}

// shownHeader returns a header as a problem shows it: nothing if another one, which may be a
// secret, was folded into it, by a line that begins with a space.
func shownHeader(text string) any {
	if strings.Contains(text, ":") {
		return nil
	}
	return short(text)
}

const (
	// freeBytes is how much of a body needs no place.
	freeBytes = 64 << 10
	// leastRate is how many bytes of a large body must arrive in a second, on average.
	leastRate = 32 << 10
	// bodyPatience is how long a body may take besides.
	bodyPatience = 30 * time.Second
)

// read returns the whole body, which may have at most limit bytes. One that turns out to be
// larger than freeBytes takes places for all of it, at once: bodies that waited for more
// and more places would wait for each other. Call release when the body isn't used any
// more. Without places, a body needs none.
func (p *payload) read(ctx context.Context, limit int, bodies *places) (body []byte, release func(), err error) {
	release = func() {}
	begun := time.Now()
	body = make([]byte, 0, p.expected(limit))
	for next := cap(body); ; { // up to where is read next
		if len(body) == next {
			if next == freeBytes && bodies != nil {
				waiting := time.Now()
				if release, err = bodies.acquire(ctx, p.size(limit)); err != nil {
					return nil, nil, err
				}
				begun = begun.Add(time.Since(waiting))
			}
			next = min(2*max(next, minRead), p.most(next, limit))
			p.allowTime(next, begun)
			if cap(body) < next {
				body = append(make([]byte, 0, p.room(next, limit)), body...)
			}
		}
		n, err := p.reader.Read(body[len(body):next])
		body = body[:len(body)+n]
		switch {
		case len(body) > limit:
			release()
			return nil, nil, problem.TooLarge.New(fmt.Sprintf("The body may have at most %d bytes.", limit))
		case errors.Is(err, io.EOF):
			return body, release, nil
		case err != nil:
			release()
			return nil, nil, bodyProblem(err)
		}
	}
}

const (
	// minRead is the least room for a read.
	minRead = 512
	// forEnd is room in which the end of a body is found without more room.
	forEnd = 1
)

// expected returns how much room a body gets at once. What isn't there yet gets none
// beyond what is free, whatever length the client declares.
func (p *payload) expected(limit int) int {
	return int(min(max(min(p.length, freeBytes), minRead)+forEnd, int64(limit)+forEnd, freeBytes))
}

// size returns how long the body may be, by what the client declares.
func (p *payload) size(limit int) int {
	if p.length < 0 {
		return limit
	}
	return int(min(p.length, int64(limit)))
}

// most returns up to where a body is read at most: to the end that the client announces,
// unless so much has been read already, or to the limit.
func (p *payload) most(read, limit int) int {
	if int64(read) <= p.length {
		return p.size(limit) + forEnd
	}
	return limit + forEnd
}

// room returns how much room a body gets to be read up to next: all that the client
// announces once it has places, so that it isn't copied again and again.
func (p *payload) room(next, limit int) int {
	if next > freeBytes && int64(next) <= p.length {
		return p.size(limit) + forEnd
	}
	return next
}

// allowTime gives a large body the time that its rate allows until so much has arrived,
// instead of the time of a whole request.
func (p *payload) allowTime(size int, begun time.Time) {
	if size > freeBytes && p.control != nil {
		allowed := bodyPatience + time.Duration(size)*time.Second/leastRate
		_ = p.control.SetReadDeadline(begun.Add(allowed)) // fails only with a test's recorder
	}
}

// bodyProblem returns the problem for an error of reading a body. Only what has arrived can be
// wrong: whatever else the logs of a body are, they are worth sending again.
func bodyProblem(err error) error {
	switch {
	case errors.Is(err, errInflating), errors.Is(err, errExpanding):
		return problem.Unreadable.New(strings.ToUpper(err.Error()[:1]) + err.Error()[1:] + ".")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problem.TimedOut.New("It took too long.")
	default:
		return problem.TimedOut.New("It broke off.")
	}
}

// requestBody documents a body that the operation reads itself.
func requestBody(required bool, description string, content map[string]*huma.MediaType) *huma.RequestBody {
	return &huma.RequestBody{Required: required, Description: description, Content: content}
}
