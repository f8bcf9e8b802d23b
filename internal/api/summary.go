package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/negotiation"

	"learninglog/internal/chart"
	"learninglog/internal/language"
	"learninglog/internal/problem"
	"learninglog/query"
	"learninglog/rollup"
)

// Summary is what a user learned in a range of periods.
type Summary struct {
	UserID      string             `json:"user_id" format:"uuid"`
	Granularity rollup.Granularity `json:"granularity" enum:"day,week,month,year,total"`
	From        rollup.Date        `format:"date" json:"from" doc:"The first date of the first period."`
	To          rollup.Date        `format:"date" json:"to" doc:"The first date of the last period, which is included as a whole."`
	Sums
	Before  *Before  `json:"before,omitempty" doc:"With compare=true: as many periods before the range. Days are moved back by whole weeks, as few as possible, so that both ranges have the same weekdays. It is left out if it would begin before the year 1."`
	Periods []Period `json:"periods" nullable:"false" doc:"In time order; without fill=false, every period of the range."`
}

// Before is what a user learned in the range before a summary's.
type Before struct {
	From rollup.Date `format:"date" json:"from" doc:"The first date of its first period."`
	To   rollup.Date `format:"date" json:"to" doc:"The first date of its last period."`
	Sums
	ChangePercent *float64 `json:"change_percent" example:"12.5" doc:"By how many per cent there are more words now; null if there were none before."`
}

// Period is what a user learned in one period.
type Period struct {
	Period rollup.Date `format:"date" json:"period" example:"2026-11-22" doc:"The first date of the period. A week starts on Monday."`
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
	UserID      string `path:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Who learned."`
	Granularity string `query:"granularity" enum:"day,week,month,year,total" default:"day" doc:"The length of a period. total is one period that has all dates, and begins on 0001-01-01."`
	From        string `query:"from" example:"2026-11-01" doc:"A date in the first period. A date-time means the date that it shows. Default: 30 days, 12 weeks, 12 months or 5 years in all."`
	To          string `query:"to" example:"2026-11-30" doc:"A date in the last period. Default: today, on the learner's clock."`
	TimeZone    string `query:"time_zone" example:"Asia/Tokyo" doc:"Where the learner's clock is, which tells today. Default: by the learner's latest log."`
	Compare     bool   `query:"compare" default:"false" doc:"Whether the answer, as JSON, also has the sums of the range before: see before."`
	Fill        bool   `query:"fill" default:"true" doc:"Whether periods without a log are in the answer, with zeros."`
	Format      string `query:"format" enum:"json,csv,svg" doc:"What to answer, instead of what the Accept header says: so that a link can say it. Default: json."`
	Accept      string `header:"Accept" hidden:"true"`
	Language    string `header:"Accept-Language" example:"de" doc:"In which language the texts of a picture are: English, German or Japanese. Default: English."`
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
	responses := representedResponses(s, "The summary", exampleSummary())
	responses["200"].Content[mediaCSV] = &huma.MediaType{Schema: textOf("A line for each period, below one with the names of the columns: " + summaryColumns + ".")}
	responses["200"].Content[mediaSVG] = &huma.MediaType{Schema: textOf("A picture.")}
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

func (s *server) getSummary(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := s.limitTime(r.Context())
	defer cancel()
	represented, err := s.readSummary(ctx, r)
	if err != nil {
		s.Problems.Of(ctx, err, "query").WriteJSON(w)
		return
	}
	represented.write(w, r.Header.Get("If-None-Match"))
}

func (s *server) readSummary(ctx context.Context, r *http.Request) (representation, error) {
	input, err := readSummaryInput(r)
	if err != nil {
		return representation{}, err
	}
	request, err := s.summaryRequest(input)
	if err != nil {
		return representation{}, err
	}
	const onePeriod = 200 // bytes in memory, roughly
	begin := s.beginSmallRead
	if !request.IsSmall() {
		begin = func(ctx context.Context) (func(), error) {
			return s.beginRead(ctx, min(request.AboutPeriods(), query.MaxPeriods)*onePeriod)
		}
	}
	done, err := begin(ctx)
	if err != nil {
		return representation{}, err
	}
	defer done()
	summary, err := s.Reader.Summary(ctx, request)
	if err != nil {
		return representation{}, err
	}
	return s.representSummary(input, summary)
}

// readSummaryInput reads what huma documents.
func readSummaryInput(r *http.Request) (*summaryInput, error) {
	p := readParameters(r, "granularity", "from", "to", "time_zone", "compare", "fill", "format")
	input := &summaryInput{
		UserID:      p.user(r),
		Granularity: p.choice("granularity", "day", "day", "week", "month", "year", "total"),
		From:        p.values.Get("from"),
		To:          p.values.Get("to"),
		TimeZone:    p.values.Get("time_zone"),
		Compare:     p.flag("compare", false),
		Fill:        p.flag("fill", true),
		Format:      p.choice("format", "", "json", "csv", "svg"),
		Accept:      r.Header.Get("Accept"),
		Language:    r.Header.Get("Accept-Language"),
	}
	return input, p.problem()
}

// representSummary returns a summary in the format that is asked for.
func (s *server) representSummary(input *summaryInput, summary query.Summary) (representation, error) {
	switch input.format() {
	case "csv":
		return summaryCSV(summary), nil
	case "svg":
		return s.summarySVG(language.Of(input.Language), summary)
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
	to = append(to, `","from":"`...)
	to = summary.From.AppendTo(to)
	to = append(to, `","to":"`...)
	to = append(summary.To.AppendTo(to), '"')
	to = appendSums(to, summary.Totals)
	if summary.Before != nil {
		to = appendBefore(to, summary)
	}
	to = append(to, `,"periods":[`...)
	for i, period := range summary.Periods {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, `{"period":"`...)
		to = append(period.Period.AppendTo(to), '"')
		to = append(appendSums(to, period.Sums), '}')
	}
	return append(to, "]}"...)
}

func appendBefore(to []byte, summary query.Summary) []byte {
	before := summary.Before
	to = append(to, `,"before":{"from":"`...)
	to = before.From.AppendTo(to)
	to = append(to, `","to":"`...)
	to = append(before.To.AppendTo(to), '"')
	to = appendSums(to, before.Sums)
	to = append(to, `,"change_percent":`...)
	if change := summary.ChangePercent(); change != nil {
		return append(appendFloat(to, *change), '}')
	}
	return append(to, "null}"...)
}

func appendSums(to []byte, sums rollup.Sums) []byte {
	to = append(to, `,"total_word_count":`...)
	to = strconv.AppendInt(to, sums.TotalWordCount, 10)
	to = append(to, `,"entry_count":`...)
	to = strconv.AppendInt(to, sums.EntryCount, 10)
	to = append(to, `,"average_words_learned":`...)
	return appendFloat(to, sums.Average())
}

// appendFloat encodes a number as encoding/json would.
func appendFloat(to []byte, number float64) []byte {
	format := byte('f')
	if size := math.Abs(number); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(to, number, format, -1, 64)
}

// summaryColumns are the columns of a summary in CSV.
const summaryColumns = "period, total_word_count, entry_count, average_words_learned"

// summaryCSV writes one row per period. Every cell is a date or a nonnegative
// number, so no spreadsheet takes it for a formula.
func summaryCSV(summary query.Summary) representation {
	var text bytes.Buffer
	rows := csv.NewWriter(&text)
	rows.UseCRLF = true // as RFC 4180 demands
	_ = rows.Write(strings.Split(summaryColumns, ", "))
	for _, period := range summary.Periods {
		_ = rows.Write([]string{ // can't fail in memory
			period.Period.String(),
			strconv.FormatInt(period.TotalWordCount, 10),
			strconv.FormatInt(period.EntryCount, 10),
			strconv.FormatFloat(period.Average(), 'f', -1, 64),
		})
	}
	rows.Flush()
	csv := newRepresentation(mediaCSV+"; charset=utf-8; header=present", text.Bytes())
	csv.filename = fmt.Sprintf("%s-%s-%s-%s.csv",
		summary.UserID, summary.Granularity, summary.From, summary.To)
	return csv
}

const (
	// maxPicturesBytes limits the memory of all cached pictures, and maxPictureBytes
	// that of each.
	maxPicturesBytes = 32 << 20
	maxPictureBytes  = 256 << 10
)

func (s *server) summarySVG(locale *language.Locale, summary query.Summary) (representation, error) {
	if len(summary.Periods) > chart.MaxPeriods {
		return representation{}, problem.Invalid.New("", problem.Field{
			Location: "query.from",
			Message: fmt.Sprintf("must be nearer to to: a picture shows at most %d periods, and this would have %d. Ask for longer ones, or for another format",
				chart.MaxPeriods, len(summary.Periods)),
		})
	}
	return s.pictures.Get(pictureKey(locale, summary), summary, func() (representation, error) {
		picture := newRepresentation(mediaSVG, chart.Picture(locale, summary))
		picture.language = locale.Tag()
		return picture, nil
	})
}

// pictureKey returns the cache key of a picture: its language, its range, and whether it is
// filled.
func pictureKey(locale *language.Locale, summary query.Summary) string {
	return fmt.Sprint(locale.Tag(), summary.UserID, summary.Granularity, summary.From, summary.To, len(summary.Periods))
}

func (s *server) summaryRequest(input *summaryInput) (query.SummaryRequest, error) {
	userID, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return query.SummaryRequest{}, err
	}
	request := query.SummaryRequest{
		UserID:       userID,
		Granularity:  rollup.Granularity(input.Granularity),
		Compare:      input.Compare,
		OnlyWithLogs: !input.Fill,
	}
	if request.Clock, err = s.clock(input.TimeZone); err != nil {
		return query.SummaryRequest{}, err
	}
	if request.To, err = queryDate("to", input.To); err != nil {
		return query.SummaryRequest{}, err
	}
	if request.From, err = queryDate("from", input.From); err != nil {
		return query.SummaryRequest{}, err
	}
	return request, nil
}
