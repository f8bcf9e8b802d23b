package api

import (
	_ "embed"
	"strings"
	"text/template"
	"time"

	"github.com/dustin/go-humanize/english"

	"learninglog/internal/problem"
)

//go:embed guide.md
var guideText string

// answerPatience is how long a client should wait for an answer: some seconds for a place,
// a request's time for the database, and some more.
const answerPatience = 60 * time.Second

// guide returns what the document says before its operations: all that a client needs to
// know. Limits are written as they are.
func (s *server) guide() string {
	const kb = 1 << 10
	written := new(strings.Builder)
	err := template.Must(template.New("guide").Parse(guideText)).Execute(written, map[string]any{
		"MaxWordCount":  s.Limits.MaxWordCount,
		"Earliest":      s.Limits.Earliest.Format(time.DateOnly),
		"MaxAhead":      hours(s.Limits.MaxAhead),
		"MaxLogBytes":   maxLogBytes,
		"MaxLogKB":      maxLogBytes / kb,
		"MaxArray":      maxArray,
		"MaxArrayMB":    maxArrayBytes / kb / kb,
		"StreamSeconds": streamTimeout.Seconds(),
		"MaxExpansion":  maxExpansion,
		"BodySeconds":   bodyPatience.Seconds(),
		"FreeKB":        freeBytes / kb,
		"LeastKB":       leastRate / kb,
		"Wait":          answerPatience.Seconds(),
		"Kinds":         problem.Kinds(),
	})
	if err != nil {
		panic(err) // can't happen: the template only inserts what is here
	}
	return strings.TrimSpace(written.String())
}

// hours writes a duration for people.
func hours(d time.Duration) string {
	if d%time.Hour == 0 {
		return english.Plural(int(d/time.Hour), "hour", "")
	}
	return d.String()
}
