package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"learninglog/internal/etag"
)

// representation is a complete response to a GET request.
type representation struct {
	contentType string
	// filename is the name under which a browser saves the response. If it is empty,
	// the browser shows it.
	filename string
	body     []byte
	// language is that of the body (BCP 47), if it depends on what the client prefers.
	language string
	// tag is the strong entity tag (ETag) of the body.
	tag string
}

func newRepresentation(contentType string, body []byte) representation {
	return representation{contentType: contentType, body: body, tag: etag.Of(body)}
}

// inJSON encodes a value whose encoding can't fail.
func inJSON(value any) representation {
	body, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("api: encoding %T: %v", value, err))
	}
	return newRepresentation(mediaJSON, append(body, '\n'))
}

// answer is write for an operation of huma.
func (r representation) answer(ifNoneMatch string) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(operation huma.Context) {
		_, w := humachi.Unwrap(operation)
		r.write(w, ifNoneMatch)
	}}
}

// write sends the representation, or 304 if the client has it already. The client must
// revalidate it each time, because the next log changes it.
func (r representation) write(w http.ResponseWriter, ifNoneMatch string) {
	header := w.Header()
	header.Set("ETag", r.tag)
	header.Set("Cache-Control", "private, no-cache")
	header.Add("Vary", "Accept")
	if r.language != "" {
		header.Add("Vary", "Accept-Language")
		header.Set("Content-Language", r.language)
	}
	if etag.Matches(ifNoneMatch, r.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", r.contentType)
	if r.filename != "" {
		header.Set("Content-Disposition", `attachment; filename="`+r.filename+`"`)
	}
	_, _ = w.Write(r.body) // a client that is gone needs no answer
}

// Size returns the approximate size in memory, in bytes.
func (r representation) Size() int { return cap(r.body) }

// representedResponses documents JSON responses that have an ETag, such as the one shown.
func representedResponses[T any](s *server, description string, shown T) map[string]*huma.Response {
	tag := &huma.Param{Description: "Of this very answer.", Schema: &huma.Schema{Type: huma.TypeString}}
	return map[string]*huma.Response{
		"200": {
			Description: description,
			Headers:     map[string]*huma.Param{"ETag": tag},
			Content:     examplesOf(schemaOf[T](s), shown),
		},
		"304": {Description: "It is what If-None-Match names"},
	}
}
