package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/negotiation"

	"learninglog/internal/chart"
	"learninglog/internal/problem"
	"learninglog/query"
	"learninglog/rollup"
)

// Summary is what a user learned in a range of periods.
type Summary struct {
	UserID      string             `json:"user_id" format:"uuid"`
	Granularity rollup.Granularity `json:"granularity" enum:"day,week,month"`
	Zone        string             `json:"zone" example:"UTC" doc:"The time zone of the periods."`
	From        time.Time          `json:"from" doc:"The start of the first period."`
	To          time.Time          `json:"to" doc:"The start of the last period, which is included as a whole."`
	Sums
	Periods []Period `json:"periods" nullable:"false" doc:"In time order; without fill=false, every period of the range."`
}

// Period is what a user learned in one period.
type Period struct {
	Period time.Time `json:"period" example:"2026-11-22T00:00:00Z" doc:"The instant at which the period starts. A week starts on Monday."`
	Sums
}

// Sums are the sums of one period, or of a whole range.
type Sums struct {
	TotalWordCount      int64   `json:"total_word_count" doc:"The words of all logs."`
	EntryCount          int64   `json:"entry_count" doc:"The number of logs."`
	AverageWordsLearned float64 `json:"average_words_learned" doc:"Words per log: the exact quotient, or 0 without logs."`
}

func fromSums(sums rollup.Sums) Sums {
	return Sums{
		TotalWordCount:      sums.TotalWordCount,
		EntryCount:          sums.EntryCount,
		AverageWordsLearned: sums.Average(),
	}
}

type summaryInput struct {
	UserID      string `path:"user_id" format:"uuid" doc:"Who learned."`
	Granularity string `query:"granularity" enum:"day,week,month" default:"day" doc:"The length of a period."`
	From        string `query:"from" example:"2026-11-01" doc:"A date, or an RFC 3339 date-time, in the first period. Default: 30 days, 12 weeks or 12 months in all."`
	To          string `query:"to" example:"2026-11-30" doc:"A date, or an RFC 3339 date-time, in the last period. Default: now."`
	Fill        bool   `query:"fill" default:"true" doc:"Whether periods without a log are in the answer, with zeros."`
	Format      string `query:"format" enum:"json,csv,svg" doc:"What to answer, instead of what the Accept header says: so that a link can say it. Default: json."`
	Accept      string `header:"Accept" hidden:"true"`
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of an answer that you have: if it would be the same again, the answer is 304."`
}

func (s *server) documentGetSummary() huma.Operation {
	return huma.Operation{
		OperationID: "get-summary",
		Summary:     "What did a user learn?",
		Description: "Every period from the one that contains from through the one that contains to, both included, each whole. At most 10,000 periods. Shows every log that was acknowledged before. " +
			fmt.Sprintf("As JSON; or, by the Accept header or by format, as CSV for spreadsheets, or as a picture of at most %d periods.", chart.MaxPeriods),
		Tags:      []string{tagSummaries},
		Responses: s.summaryResponses(),
	}
}

func (s *server) summaryResponses() map[string]*huma.Response {
	responses := representedResponses[Summary](s, "The summary")
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	responses["200"].Content[mediaCSV], responses["200"].Content[mediaSVG] = text, text
	return responses
}

const (
	mediaCSV = "text/csv"
	mediaSVG = "image/svg+xml"
)

// format returns the format named in the query, or else the available one that the
// Accept header prefers.
func (i *summaryInput) format() string {
	if i.Format != "" {
		return i.Format
	}
	switch negotiation.SelectQValue(i.Accept, []string{mediaJSON, mediaCSV, mediaSVG}) {
	case mediaCSV:
		return "csv"
	case mediaSVG:
		return "svg"
	default:
		return "json"
	}
}

func (s *server) getSummary(ctx context.Context, input *summaryInput) (*huma.StreamResponse, error) {
	request, err := s.summaryRequest(input, time.Now())
	if err != nil {
		return nil, err
	}
	summary, err := s.Reader.Summary(ctx, request)
	if err != nil {
		return nil, err
	}
	represented, err := s.representSummary(input.format(), summary)
	if err != nil {
		return nil, err
	}
	return represented.answer(input.IfNoneMatch), nil
}

// representSummary returns a summary in the given format.
func (s *server) representSummary(format string, summary query.Summary) (representation, error) {
	switch format {
	case "csv":
		return summaryCSV(summary), nil
	case "svg":
		return s.summarySVG(summary)
	default:
		return summaryJSON(summary), nil
	}
}

func summaryJSON(summary query.Summary) representation {
	const onePeriod = 128 // bytes, roughly
	body := make([]byte, 0, (len(summary.Periods)+3)*onePeriod)
	return newRepresentation(mediaJSON, append(appendSummary(body, summary), '\n'))
}

// appendSummary encodes a [Summary] as encoding/json would, in a tenth of the time.
func appendSummary(to []byte, summary query.Summary) []byte {
	to = append(to, `{"user_id":"`...)
	to = append(to, summary.UserID.String()...)
	to = append(to, `","granularity":"`...)
	to = append(to, summary.Granularity...)
	to = append(to, `","zone":"`...)
	to = append(to, summary.Zone.String()...) // the name of a zone needs no escaping
	to = append(to, `","from":`...)
	to = appendTime(to, summary.From)
	to = append(to, `,"to":`...)
	to = appendTime(to, summary.To)
	to = appendSums(to, summary.Totals)
	to = append(to, `,"periods":[`...)
	for i, period := range summary.Periods {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, `{"period":`...)
		to = appendTime(to, period.Period)
		to = append(appendSums(to, period.Sums), '}')
	}
	return append(to, "]}"...)
}

func appendTime(to []byte, at time.Time) []byte {
	return append(at.AppendFormat(append(to, '"'), time.RFC3339Nano), '"')
}

func appendSums(to []byte, sums rollup.Sums) []byte {
	to = append(to, `,"total_word_count":`...)
	to = strconv.AppendInt(to, sums.TotalWordCount, 10)
	to = append(to, `,"entry_count":`...)
	to = strconv.AppendInt(to, sums.EntryCount, 10)
	to = append(to, `,"average_words_learned":`...)
	average, format := sums.Average(), byte('f')
	if size := math.Abs(average); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(to, average, format, -1, 64)
}

// summaryCSV writes one row per period. Every cell is a date or a nonnegative
// number, so no spreadsheet takes it for a formula.
func summaryCSV(summary query.Summary) representation {
	var text bytes.Buffer
	rows := csv.NewWriter(&text)
	rows.UseCRLF = true // as RFC 4180 demands
	_ = rows.Write([]string{"period", "total_word_count", "entry_count", "average_words_learned"})
	for _, period := range summary.Periods {
		_ = rows.Write([]string{ // can't fail in memory
			period.Period.Format(time.DateOnly),
			strconv.FormatInt(period.TotalWordCount, 10),
			strconv.FormatInt(period.EntryCount, 10),
			strconv.FormatFloat(period.Average(), 'f', -1, 64),
		})
	}
	rows.Flush()
	csv := newRepresentation(mediaCSV+"; charset=utf-8; header=present", text.Bytes())
	csv.filename = fmt.Sprintf("%s-%s-%s-%s.csv",
		summary.UserID, summary.Granularity, summary.From.Format(time.DateOnly), summary.To.Format(time.DateOnly))
	return csv
}

const (
	// maxPicturesBytes limits the memory of all cached pictures, and maxPictureBytes
	// that of each.
	maxPicturesBytes = 32 << 20
	maxPictureBytes  = 256 << 10
)

func (s *server) summarySVG(summary query.Summary) (representation, error) {
	if len(summary.Periods) > chart.MaxPeriods {
		return representation{}, problem.Invalid.New("", problem.Field{
			Location: "query.from",
			Message: fmt.Sprintf("must be nearer to to: a picture shows at most %d periods, and this would have %d. Ask for longer ones, or for another format",
				chart.MaxPeriods, len(summary.Periods)),
		})
	}
	return s.pictures.Get(summaryKey(summary), summary, func() (representation, error) {
		return newRepresentation(mediaSVG, chart.Picture(summary)), nil
	})
}

// summaryKey returns the cache key of a summary: its range, and whether it is
// filled.
func summaryKey(summary query.Summary) string {
	return fmt.Sprint(summary.UserID, summary.Granularity, summary.From.UnixMicro(), summary.To.UnixMicro(), len(summary.Periods))
}

func (s *server) summaryRequest(input *summaryInput, now time.Time) (query.SummaryRequest, error) {
	userID, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return query.SummaryRequest{}, err
	}
	granularity, err := rollup.ParseGranularity(input.Granularity)
	if err != nil {
		return query.SummaryRequest{}, problem.Invalid.New("", problem.Field{Location: "query.granularity", Message: err.Error()})
	}
	request := query.SummaryRequest{
		UserID:       userID,
		Granularity:  granularity,
		To:           now,
		Zone:         s.Zone,
		OnlyWithLogs: !input.Fill,
	}
	to, err := s.queryBound("to", input.To)
	if err != nil {
		return query.SummaryRequest{}, err
	}
	if to != nil {
		request.To = to.Last(s.Zone)
	}
	from, err := s.queryBound("from", input.From)
	if err != nil {
		return query.SummaryRequest{}, err
	}
	if from != nil {
		request.From = from.At
	} else {
		request.From = query.DefaultFrom(granularity, request.To, s.Zone)
	}
	return request, nil
}
