package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/cache"
	"learninglog/internal/chart"
	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

func BenchmarkDecodeLog(b *testing.B) {
	text := []byte(strings.Replace(aLog, "12", `12,"timestamp":"2026-11-22T08:30:00.123456Z","time_zone":"Europe/Berlin"`, 1))
	decoder := newDecoder(b)
	b.ReportAllocs()
	for b.Loop() {
		_, wrong, err := decoder.decode("body", text)
		if err != nil || wrong != nil {
			b.Fatal(err, wrong)
		}
	}
}

// BenchmarkPost measures a post without the database and the network.
func BenchmarkPost(b *testing.B) {
	limits := command.DefaultLimits()
	handler, err := New(Config{
		Recorder:       command.NewRecorder(instant{}, command.Config{Limits: limits}),
		Limits:         limits,
		RequestTimeout: time.Second,
		AllowedHosts:   []string{"example.com"},
		Requests:       nobody{},
		Stopping:       context.Background(),
		Metrics:        prometheus.NewRegistry(),
		Logger:         slog.New(slog.DiscardHandler),
	})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		body := fmt.Sprintf(`{"request_id":"%s","user_id":"`+aUser+`","word_count":12,"timestamp":"2026-11-22T08:30:00Z"}`, uuid.New())
		request := httptest.NewRequest(http.MethodPost, "/v1/learning-logs", strings.NewReader(body))
		request.Header.Set("Content-Type", mediaJSON)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code != http.StatusCreated {
			b.Fatal(answer.Code, answer.Body)
		}
	}
}

// instant is a database that records everything at once.
type instant struct{ away }

func (instant) Query(_ context.Context, _ string, arguments ...any) (pgx.Rows, error) {
	requestIDs, _ := arguments[0].(pgtype.FlatArray[pgtype.UUID])
	userIDs, _ := arguments[1].(pgtype.FlatArray[pgtype.UUID])
	return &instantRows{requestIDs: requestIDs, userIDs: userIDs}, nil
}

type instantRows struct {
	pgx.Rows // nil: only the methods below are called

	requestIDs, userIDs pgtype.FlatArray[pgtype.UUID]
	row                 int
}

func (r *instantRows) Next() bool { r.row++; return r.row <= len(r.requestIDs) }
func (*instantRows) Err() error   { return nil }
func (*instantRows) Close()       {}
func (*instantRows) CommandTag() (tag pgconn.CommandTag) {
	return tag
}

func (r *instantRows) Scan(targets ...any) error {
	requestID, _ := targets[0].(*pgtype.UUID)
	userID, _ := targets[1].(*pgtype.UUID)
	recordedAt, _ := targets[4].(*time.Time)
	*requestID, *userID, *recordedAt = r.requestIDs[r.row-1], r.userIDs[r.row-1], time.Now()
	return nil
}

// BenchmarkRepresent measures, for each format, what the cache saves: encoding a
// summary with its entity tag, compared with finding it in the cache and comparing
// the sums.
func BenchmarkRepresent(b *testing.B) {
	for _, periods := range []int{30, 365} {
		sums := make([]rollup.Sums, periods)
		for i := range sums {
			sums[i] = rollup.Sums{TotalWordCount: int64(i % 7 * 12_345), EntryCount: int64(i % 7)}
		}
		summary := someSummary(sums...)
		for format, write := range map[string]func(query.Summary) representation{
			"json": summaryJSON,
			"csv":  summaryCSV,
			"svg": func(s query.Summary) representation {
				return newRepresentation(mediaSVG, chart.Picture(language.English(), s))
			},
		} {
			b.Run(fmt.Sprintf("%s/days=%d/made", format, periods), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					write(summary)
				}
			})
			b.Run(fmt.Sprintf("%s/days=%d/cached", format, periods), func(b *testing.B) {
				b.ReportAllocs()
				answers := cache.New[query.Summary, representation](maxPicturesBytes, maxPictureBytes)
				for b.Loop() {
					_, err := answers.Get(pictureKey(language.English(), summary), summary, func() (representation, error) { return write(summary), nil })
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
