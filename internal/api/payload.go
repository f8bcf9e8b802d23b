package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

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
}

// Resolve is called by huma before the operation's handler.
func (p *payload) Resolve(ctx huma.Context) []error {
	request, _ := humachi.Unwrap(ctx)
	*p = payloadOf(request)
	return nil
}

func payloadOf(r *http.Request) payload {
	return payload{reader: r.Body, length: r.ContentLength, contentType: r.Header.Get("Content-Type")}
}

// mediaType returns which of the supported media types the body has. Without a
// Content-Type it is the first one.
func (p *payload) mediaType(supported ...string) (string, error) {
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
		Value:    short(p.contentType),
	})
}

// read returns the whole body, which may have at most limit bytes.
func (p *payload) read(limit int64) ([]byte, error) {
	size := min(max(p.length, 0), limit)
	body := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead)) // large enough to never grow
	_, err := body.ReadFrom(io.LimitReader(p.reader, limit+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, problem.TimedOut.New("")
	case err != nil:
		return nil, problem.Unreadable.New("The body broke off.")
	case int64(body.Len()) > limit:
		return nil, problem.TooLarge.New(fmt.Sprintf("The body may have at most %d bytes.", limit))
	}
	return body.Bytes(), nil
}

// requestBody documents a body that the operation reads itself.
func requestBody(required bool, description string, content map[string]*huma.MediaType) *huma.RequestBody {
	return &huma.RequestBody{Required: required, Description: description, Content: content}
}
