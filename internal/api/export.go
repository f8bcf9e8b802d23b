package api

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/danielgtaylor/huma/v2/negotiation"
	"github.com/google/uuid"

	"learninglog/internal/problem"
	"learninglog/query"
	"learninglog/rollup"
)

const (
	// exportVersion is that of the format.
	exportVersion = 1
	// An export holds a snapshot of the database for as long as its client reads. So the
	// client must read so many bytes a second, on average, after exportPatience.
	leastExportRate = 32 << 10
	exportPatience  = 30 * time.Second
)

// ExportLine is a line of an export in NDJSON: it has one of these. The first one has export.
type ExportLine struct {
	Export      *ExportContents   `json:"export,omitempty" doc:"What follows."`
	Settings    *ExportedSettings `json:"settings,omitempty" doc:"What the learner has set."`
	Key         *ExportedKey      `json:"key,omitempty" doc:"A key that is bound to the learner, without its secret."`
	Session     *ExportSession    `json:"session,omitempty" doc:"A browser in which the learner is logged in."`
	SealedDay   *SealedDay        `json:"sealed_day,omitempty" doc:"What logs of a date that were purged came to."`
	LearningLog *ExportedLog      `json:"learning_log,omitempty" doc:"A log, the oldest first, also one that was taken back."`
}

// ExportContents is what an export has.
type ExportContents struct {
	Version    int       `json:"version" doc:"Of the format: 1."`
	UserID     string    `json:"user_id" format:"uuid"`
	ExportedAt time.Time `json:"exported_at" doc:"As of when it is: everything is of one snapshot."`
	Settings   int64     `json:"settings" doc:"How many lines follow of this kind: one, or none if nothing is set. With fewer lines of any kind, the export isn't whole."`
	Keys       int64     `json:"keys"`
	Sessions   int64     `json:"sessions"`
	SealedDays int64     `json:"sealed_days"`
	Logs       int64     `json:"learning_logs"`
	Voided     int64     `json:"voided" doc:"How many of the logs were taken back."`

	ShareLinks []ExportedShareLink `json:"share_links" nullable:"false" doc:"The links by which the learner's page is shared, without their secrets."`
}

// ExportedShareLink is a share link in an export.
type ExportedShareLink struct {
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
}

// ExportedKey is a key in an export.
type ExportedKey struct {
	ID         int64      `json:"id"`
	Name       string     `json:"name"`
	Scopes     []string   `json:"scopes" nullable:"false"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
}

// ExportSession is a session in an export.
type ExportSession struct {
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// SealedDay is what logs of a date that were purged came to.
type SealedDay struct {
	UserID         string      `json:"user_id" format:"uuid"`
	Day            rollup.Date `json:"day" format:"date"`
	TotalWordCount int64       `json:"total_word_count"`
	EntryCount     int64       `json:"entry_count"`
}

// ExportedLog is a log in an export.
type ExportedLog struct {
	LearningLog

	OffsetGiven bool `json:"offset_given" doc:"Whether the client said the time zone or the offset. Otherwise it is the service's, and a re-zone may change it."`
}

type exportInput struct {
	UserID string `path:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Which learner."`
	Format string `query:"format" enum:"ndjson,csv" doc:"What to answer, instead of what the Accept header says: so that a link can say it. Default: ndjson."`
	Accept string `header:"Accept" hidden:"true"`
}

func (s *server) documentExport() huma.Operation {
	return huma.Operation{
		OperationID: "export-user",
		Summary:     "Take along everything of a learner",
		Description: "Everything that is known of a learner, as of one instant, while others go on writing: as NDJSON, a line each, which `learninglog import` takes back. " +
			"Or, by the Accept header or by format, the logs alone as CSV, which it takes too, but without settings and what was purged. " +
			"It is as long as it has to be. If it can't be finished, or is read at less than 32 kB a second, the connection breaks off, so that the body doesn't end properly (its last chunk is missing): then it isn't whole. " +
			"NDJSON also tells it by itself: its first line says how many lines of each kind follow. CSV doesn't.",
		Tags: []string{tagLearners},
		Responses: map[string]*huma.Response{"200": {
			Description: "The export",
			Content: map[string]*huma.MediaType{
				mediaNDJSON: ndjson(schemaOf[ExportLine](s), map[string]*huma.Example{"export": example("An export of one log", exampleExport())}),
				mediaCSV:    {Schema: textOf("A line for each log, the oldest first, below one with the names of the columns: " + exportColumns + ". The last is empty while the log counts.")},
			},
		}},
	}
}

func (i *exportInput) isCSV() bool {
	if i.Format != "" {
		return i.Format == "csv"
	}
	return negotiation.SelectQValue(i.Accept, []string{mediaNDJSON, mediaCSV}) == mediaCSV
}

func (s *server) export(ctx context.Context, input *exportInput) (*huma.StreamResponse, error) {
	user, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return nil, err
	}
	release, err := s.exports.acquire(ctx, 1)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(answer huma.Context) {
		defer release()
		_, writer := humachi.Unwrap(answer)
		out := &exportWriter{response: writer, begun: time.Now()}
		out.text = bufio.NewWriterSize(out, maxWrite)
		header := writer.Header()
		header.Add("Vary", "Accept")
		header.Set("Cache-Control", "no-store")
		out.contentType, out.filename = mediaNDJSON, "learner-"+user.String()+".ndjson"
		to := toNDJSON(out.text)
		if input.isCSV() {
			out.contentType, out.filename = mediaCSV+"; charset=utf-8; header=present", "learner-"+user.String()+".csv"
			to = toCSV(out.text)
		}
		if answer.Method() == http.MethodHead {
			out.begin()
			return
		}
		s.sendExport(answer.Context(), user, out, to)
	}}, nil
}

// sendExport sends the export. If it fails when something was sent, the connection is aborted,
// because what was sent would look complete.
func (s *server) sendExport(ctx context.Context, user uuid.UUID, out *exportWriter, to query.Export) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.Stopping, func() { cancel(errStopping) })
	defer stop()
	err := s.Reader.Export(ctx, user, to)
	if err == nil {
		err = out.text.Flush()
	}
	switch {
	case err == nil:
	case !out.sent:
		s.answerProblem(ctx, out.response, err)
	default:
		if ctx.Err() == nil && !errors.Is(err, errReadSlowly) {
			s.logFailure(ctx, err)
		}
		panic(http.ErrAbortHandler)
	}
}

var (
	errReadSlowly = errors.New("the client reads too slowly")
	errStopping   = problem.Busy{Detail: "The service is stopping."}
)

// exportWriter sends an export, whose headers it sends with the first bytes.
type exportWriter struct {
	response              http.ResponseWriter
	contentType, filename string
	text                  *bufio.Writer
	begun                 time.Time
	sent                  bool
	bytes                 int64
}

func (w *exportWriter) begin() {
	if w.sent {
		return
	}
	w.sent = true
	w.response.Header().Set("Content-Type", w.contentType)
	w.response.Header().Set("Content-Disposition", `attachment; filename="`+w.filename+`"`)
	w.response.WriteHeader(http.StatusOK)
}

// Write is called when the buffer is full, and at the end.
func (w *exportWriter) Write(text []byte) (int, error) {
	w.begin()
	n, err := w.response.Write(text)
	w.bytes += int64(n)
	if allowed := exportPatience + time.Duration(w.bytes)*time.Second/leastExportRate; err == nil && time.Since(w.begun) > allowed {
		return n, errReadSlowly
	}
	return n, err
}

// toNDJSON writes an export as NDJSON.
func toNDJSON(w io.Writer) query.Export {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	var log []byte
	return query.Export{
		Begin: func(c query.Contents) error {
			links := make([]ExportedShareLink, len(c.ShareLinks))
			for i, link := range c.ShareLinks {
				links[i] = ExportedShareLink(link)
			}
			return lines.Encode(ExportLine{Export: &ExportContents{
				ShareLinks: links,
				Version:    exportVersion, UserID: c.UserID.String(), ExportedAt: c.At,
				Settings: c.Settings, Keys: c.Keys, Sessions: c.Sessions, SealedDays: c.SealedDays, Logs: c.Logs, Voided: c.Voided,
			}})
		},
		Settings: func(settings query.ExportedSettings) error {
			return lines.Encode(ExportLine{Settings: fromExportedSettings(settings)})
		},
		Key: func(k query.ExportedKey) error {
			return lines.Encode(ExportLine{Key: new(ExportedKey(k))})
		},
		Session: func(session query.ExportedSession) error {
			return lines.Encode(ExportLine{Session: new(ExportSession(session))})
		},
		SealedDay: func(day query.SealedDay) error {
			return lines.Encode(ExportLine{SealedDay: &SealedDay{
				UserID: day.UserID.String(), Day: day.Day, TotalWordCount: day.TotalWordCount, EntryCount: day.EntryCount,
			}})
		},
		Log: func(exported query.ExportedLog) error {
			log = appendExportedLog(log[:0], exported)
			_, err := w.Write(log)
			return err
		},
	}
}

// appendExportedLog encodes the line of a log as encoding/json would, in a fraction of the
// time.
func appendExportedLog(to []byte, exported query.ExportedLog) []byte {
	shown := fromLog(exported.Log)
	to = shown.appendJSON(append(to, `{"learning_log":`...))
	to = append(to[:len(to)-len("}")], `,"offset_given":`...)
	to = strconv.AppendBool(to, exported.OffsetGiven)
	return append(to, "}}\n"...)
}

// exportColumns are the columns of an export in CSV.
const exportColumns = "request_id, user_id, word_count, timestamp, utc_offset, offset_given, voided_at"

// toCSV writes the logs of an export as CSV, with columns that an import knows. Every cell is
// a UUID, a number, a time or a word, so no spreadsheet takes it for a formula; an offset
// that begins with a sign is part of no formula, either.
func toCSV(w io.Writer) query.Export {
	rows := csv.NewWriter(w)
	rows.UseCRLF = true // as RFC 4180 demands
	return query.Export{
		Begin: func(query.Contents) error {
			_ = rows.Write(strings.Split(exportColumns, ", "))
			rows.Flush()
			return rows.Error()
		},
		Settings:  func(query.ExportedSettings) error { return nil },
		Key:       func(query.ExportedKey) error { return nil },
		Session:   func(query.ExportedSession) error { return nil },
		SealedDay: func(query.SealedDay) error { return nil },
		Log: func(log query.ExportedLog) error {
			voidedAt := ""
			if !log.VoidedAt.IsZero() {
				voidedAt = log.VoidedAt.Format(time.RFC3339Nano)
			}
			_ = rows.Write([]string{
				log.RequestID.String(), log.UserID.String(), strconv.Itoa(log.WordCount), log.Timestamp.Format(time.RFC3339Nano),
				log.UTCOffset.String(), strconv.FormatBool(log.OffsetGiven), voidedAt,
			})
			rows.Flush()
			return rows.Error()
		},
	}
}
