package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/maypok86/otter/v2"

	"learninglog/internal/conditional"
	"learninglog/query"
	"learninglog/rollup"
)

// representation is what is answered to a GET, whole.
type representation struct {
	contentType string
	// filename is what a browser saves it as, or empty: then it shows it.
	filename string
	body     []byte
	// tag is the strong entity tag of the body.
	tag string
}

func newRepresentation(contentType string, body []byte) representation {
	return representation{contentType: contentType, body: body, tag: conditional.Tag(body)}
}

// inJSON represents a value that can't fail to be.
func inJSON(value any) representation {
	body, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("api: encoding %T: %v", value, err))
	}
	return newRepresentation(mediaJSON, append(body, '\n'))
}

// answer sends the representation, or 304 where the client has it. It is asked
// for again each time: what it says changes with the next log.
func (r representation) answer(ifNoneMatch string) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(answer huma.Context) {
		answer.SetHeader("ETag", r.tag)
		answer.SetHeader("Cache-Control", "private, no-cache")
		answer.SetHeader("Vary", "Accept")
		if conditional.Matches(ifNoneMatch, r.tag) {
			answer.SetStatus(http.StatusNotModified)
			return
		}
		answer.SetHeader("Content-Type", r.contentType)
		if r.filename != "" {
			answer.SetHeader("Content-Disposition", `attachment; filename="`+r.filename+`"`)
		}
		answer.SetStatus(http.StatusOK)
		_, _ = answer.BodyWriter().Write(r.body) // a client that is gone needs no answer
	}}
}

const (
	// maxKeptBytes bounds the memory of all representations that are kept, and
	// maxOneBytes that of each.
	maxKeptBytes = 32 << 20
	maxOneBytes  = 256 << 10
)

// representations keeps how summaries were represented. One is used again only if
// the rollup says just what it said then: so it is never out of date, whoever has
// written since, here, in another replica or by hand.
type representations struct {
	kept *otter.Cache[represented, keptRepresentation]
}

// represented says of which summary, and how.
type represented struct {
	format       string
	userID       [16]byte
	granularity  rollup.Granularity
	from, to     int64 // microseconds since 1970
	zone         string
	onlyWithLogs bool
}

type keptRepresentation struct {
	summary query.Summary
	representation
}

// size is about how many bytes it takes.
func (k keptRepresentation) size() int {
	const others = 512 // the key, and what keeps it
	return others + cap(k.body) + k.summary.Size()
}

func newRepresentations() *representations {
	return &representations{kept: otter.Must(&otter.Options[represented, keptRepresentation]{
		MaximumWeight: maxKeptBytes,
		Weigher:       func(_ represented, kept keptRepresentation) uint32 { return uint32(kept.size()) }, //nolint:gosec // at most maxOneBytes
	})}
}

// of returns the representation of a summary in a format, which write makes where
// there is none.
func (r *representations) of(
	format string, summary query.Summary, onlyWithLogs bool, write func(query.Summary) representation,
) representation {
	key := represented{
		format: format, userID: summary.UserID, granularity: summary.Granularity,
		from: summary.From.UnixMicro(), to: summary.To.UnixMicro(), zone: summary.Zone.String(), onlyWithLogs: onlyWithLogs,
	}
	kept, ok := r.kept.GetIfPresent(key)
	if ok && kept.summary.Equal(summary) {
		return kept.representation
	}
	written := write(summary)
	kept = keptRepresentation{summary: summary, representation: written}
	if kept.size() <= maxOneBytes {
		r.kept.Set(key, kept)
	}
	return written
}

// representedResponses documents answers in JSON that have an ETag.
func representedResponses[T any](s *server, description string) map[string]*huma.Response {
	tag := &huma.Param{Description: "Of this very answer.", Schema: &huma.Schema{Type: huma.TypeString}}
	return map[string]*huma.Response{
		"200": {
			Description: description,
			Headers:     map[string]*huma.Param{"ETag": tag},
			Content:     map[string]*huma.MediaType{mediaJSON: {Schema: schemaOf[T](s)}},
		},
		"304": {Description: "It is what If-None-Match names"},
	}
}
