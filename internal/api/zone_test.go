package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/problem"
	"learninglog/rollup"
)

// Where the clock of a log is, and on which date the log counts.
func TestALogCountsOnTheDateThatItsClockShows(t *testing.T) {
	t.Parallel()
	service := newService(t, time.UTC)
	for name, test := range map[string]struct{ fields, offset, date string }{
		"the offset of the timestamp only tells the instant": {
			`"timestamp":"2024-01-10T01:00:00+11:00"`, "+00:00", "2024-01-09",
		},
		"a time zone": {
			`"timestamp":"2024-01-10T01:00:00+11:00","time_zone":"Australia/Sydney"`, "+11:00", "2024-01-10",
		},
		"a time zone, whatever the offset of the timestamp": {
			`"timestamp":"2024-01-09T14:00:00Z","time_zone":"Australia/Sydney"`, "+11:00", "2024-01-10",
		},
		"a time zone in summer": {
			`"timestamp":"2024-07-09T22:30:00Z","time_zone":"Europe/Berlin"`, "+02:00", "2024-07-10",
		},
		"a time zone in winter": {
			`"timestamp":"2024-01-09T22:30:00Z","time_zone":"Europe/Berlin"`, "+01:00", "2024-01-09",
		},
		"a time zone at 45 minutes": {
			`"timestamp":"2024-01-09T18:15:00Z","time_zone":"Asia/Kathmandu"`, "+05:45", "2024-01-10",
		},
		"UTC": {`"timestamp":"2024-01-10T01:00:00+11:00","time_zone":"UTC"`, "+00:00", "2024-01-09"},
		"an offset": {
			`"timestamp":"2024-01-10T01:00:00Z","utc_offset":"-03:30"`, "-03:30", "2024-01-09",
		},
		"the offset Z": {`"timestamp":"2024-01-10T01:00:00+11:00","utc_offset":"Z"`, "+00:00", "2024-01-09"},
		"the greatest offset": {
			`"timestamp":"2024-01-09T10:00:00Z","utc_offset":"+14:00"`, "+14:00", "2024-01-10",
		},
		"the least offset": {
			`"timestamp":"2024-01-10T11:59:59Z","utc_offset":"-12:00"`, "-12:00", "2024-01-09",
		},
		"the time zone, if there is an offset too": {
			`"timestamp":"2024-01-09T14:00:00Z","time_zone":"Australia/Sydney","utc_offset":"-05:00"`, "+11:00", "2024-01-10",
		},
		"the time zone, if it comes after the offset": {
			`"timestamp":"2024-01-09T14:00:00Z","utc_offset":"-05:00","time_zone":"Australia/Sydney"`, "+11:00", "2024-01-10",
		},
		"null, which is the same as leaving it out": {
			`"timestamp":"2024-01-10T01:00:00+11:00","time_zone":null,"utc_offset":null`, "+00:00", "2024-01-09",
		},
	} {
		posts := map[string]func(log string) any{"a single log": func(log string) any {
			return service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON, log).Code
		}}
		for door, post := range doors() {
			posts[door] = func(log string) any { return post(service, batchPath, log) }
		}
		for door, post := range posts {
			user, id := uuid.New(), uuid.New()

			post(newLog(user, id, test.fields))

			recorded := get[LearningLog](service, pathOf(user, "/learning-logs/"+id.String()))
			assert.Equal(t, test.offset, recorded.UTCOffset, "%s, as %s", name, door)
			for granularity, start := range map[string]string{"day": test.date, "month": test.date[:len("2024-01-")] + "01"} {
				summary := get[Summary](service, pathOf(user, "/summary?fill=false&from=2024-01-01&to=2024-12-31&granularity="+granularity))
				require.Len(t, summary.Periods, 1, "%s, as %s", name, door)
				assert.Equal(t, start, summary.Periods[0].Period.String(), "%s, as %s", name, door)
			}
		}
	}
	assert.Empty(t, pgtest.Drift(t, service.pool))
}

func TestALogWithoutAZoneIsOfTheServicesZone(t *testing.T) {
	t.Parallel()
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	service, user := newService(t, tokyo), uuid.New()

	answer := service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON,
		newLog(user, uuid.New(), `"timestamp":"2024-01-09T15:00:00Z"`))

	assert.Equal(t, "+09:00", decoded[LearningLog](t, answer.Body.Bytes()).UTCOffset)
	days := get[Summary](service, pathOf(user, "/summary?fill=false&from=2024-01-01&to=2024-01-31")).Periods
	require.Len(t, days, 1)
	assert.Equal(t, "2024-01-10", days[0].Period.String())
}

// The zone is resolved for the time of recording.
func TestALogWithoutATimestampCountsTodayOnItsClock(t *testing.T) {
	t.Parallel()
	service := newService(t, time.UTC)
	for zoneName, offset := range map[string]rollup.Offset{"Pacific/Kiritimati": 14 * 60, "Pacific/Pago_Pago": -11 * 60} {
		user := uuid.New()
		earliest := offset.DateAt(time.Now())
		answer := service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON,
			newLog(user, uuid.New(), `"time_zone":"`+zoneName+`"`))
		latest := offset.DateAt(time.Now())

		recorded := decoded[LearningLog](t, answer.Body.Bytes())
		assert.Equal(t, offset.String(), recorded.UTCOffset)
		days := get[Summary](service, pathOf(user, fmt.Sprintf("/summary?fill=false&from=%s&to=%s", earliest, latest))).Periods
		require.Len(t, days, 1, "on that date")
		assert.EqualValues(t, 12, days[0].TotalWordCount)
	}
}

func TestEveryAnswerOfALogHasItsOffset(t *testing.T) {
	t.Parallel()
	service, user, id := newService(t, time.UTC), uuid.New(), uuid.New()
	log := newLog(user, id, `"timestamp":"2024-01-09T14:00:00Z","time_zone":"Australia/Sydney"`)
	const want = `"utc_offset":"+11:00"`

	assert.Contains(t, service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON, log).Body.String(), want)
	assert.Contains(t, service.call(http.StatusConflict, http.MethodPost, RecordPath, mediaJSON, log).Body.String(), want)
	assert.Contains(t, service.call(http.StatusOK, http.MethodPost, RecordPath+"?on_duplicate=return", mediaJSON, log).Body.String(), want)
	assert.Contains(t, service.call(http.StatusOK, http.MethodPost, batchPath, mediaJSON, "["+log+"]").Body.String(), want)
	assert.Contains(t, service.call(http.StatusOK, http.MethodPost, batchPath, mediaNDJSON, log).Body.String(), want)
	path := pathOf(user, "/learning-logs")
	assert.Contains(t, service.call(http.StatusOK, http.MethodGet, path, "", "").Body.String(), want)
	path += "/" + id.String()
	assert.Contains(t, service.call(http.StatusOK, http.MethodGet, path, "", "").Body.String(), want)
	reused := newLog(user, id, `"timestamp":"2024-01-09T15:00:00Z"`)
	assert.Contains(t, service.call(http.StatusConflict, http.MethodPost, RecordPath, mediaJSON, reused).Body.String(), want)
	assert.Contains(t, service.call(http.StatusOK, http.MethodDelete, path, "", "").Body.String(), want)
}

// The zone isn't what identifies a log: a device that has moved may send it again.
func TestADuplicateWithAnotherZoneIsRecordedAlready(t *testing.T) {
	t.Parallel()
	service, user, id := newService(t, time.UTC), uuid.New(), uuid.New()
	const timestamp = `"timestamp":"2024-01-09T14:00:00Z"`
	service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON, newLog(user, id, timestamp, `"time_zone":"Australia/Sydney"`))

	for _, zone := range []string{`"time_zone":"America/New_York"`, `"utc_offset":"-03:30"`, `"time_zone":null`} {
		again := newLog(user, id, timestamp, zone)

		answer := service.call(http.StatusConflict, http.MethodPost, RecordPath, mediaJSON, again)
		assert.Equal(t, "/problems/already-recorded", problemOf(t, answer).Type, zone)
		assert.Contains(t, answer.Body.String(), `"utc_offset":"+11:00"`, "the recorded one")
		answer = service.call(http.StatusOK, http.MethodPost, RecordPath+"?on_duplicate=return", mediaJSON, again)
		assert.Equal(t, "+11:00", decoded[LearningLog](t, answer.Body.Bytes()).UTCOffset, zone)
		for door, post := range doors() {
			outcome := post(service, batchPath, again)
			assert.EqualValues(t, "already_recorded", outcome.Outcome, "%s, in %s", zone, door)
			require.NotNil(t, outcome.LearningLog)
			assert.Equal(t, "+11:00", outcome.LearningLog.UTCOffset, "%s, in %s", zone, door)
		}
	}

	days := get[Summary](service, pathOf(user, "/summary?fill=false&from=2024-01-01&to=2024-01-31")).Periods
	require.Len(t, days, 1)
	assert.Equal(t, "2024-01-10", days[0].Period.String())
	assert.EqualValues(t, 1, days[0].EntryCount)
}

// In an array and in NDJSON, the other logs are recorded.
func TestAnInvalidZoneIsRefused(t *testing.T) {
	t.Parallel()
	const zone, offset = "must be an IANA time zone such as Asia/Tokyo, or UTC", "must be an offset"
	service := newService(t, time.UTC)
	for fields, want := range map[string]map[string]string{
		`"time_zone":"EST"`:                         {"time_zone": zone}, // which means different things in different places
		`"time_zone":"CET"`:                         {"time_zone": zone},
		`"time_zone":"Local"`:                       {"time_zone": zone},
		`"time_zone":"Mars/Olympus_Mons"`:           {"time_zone": zone},
		`"time_zone":"America"`:                     {"time_zone": zone},
		`"time_zone":"America/"`:                    {"time_zone": zone},
		`"time_zone":"../UTC"`:                      {"time_zone": zone},
		`"time_zone":"+09:00"`:                      {"time_zone": zone},
		`"time_zone":""`:                            {"time_zone": zone},
		`"time_zone":9`:                             {"time_zone": zone},
		`"utc_offset":"+14:01"`:                     {"utc_offset": offset},
		`"utc_offset":"-12:01"`:                     {"utc_offset": offset},
		`"utc_offset":"+0900"`:                      {"utc_offset": offset},
		`"utc_offset":"+9:00"`:                      {"utc_offset": offset},
		`"utc_offset":"UTC"`:                        {"utc_offset": offset},
		`"utc_offset":""`:                           {"utc_offset": offset},
		`"utc_offset":540`:                          {"utc_offset": offset},
		`"time_zone":"EST","utc_offset":"+99:00"`:   {"time_zone": zone, "utc_offset": offset},
		`"time_zone":"UTC","utc_offset":"+99:00"`:   {"utc_offset": offset},
		`"time_zone":"EST","utc_offset":"+09:00"`:   {"time_zone": zone},
		`"time_zone":"UTC","TIME_ZONE":"UTC"`:       {"TIME_ZONE": "is not a field"},
		`"time_zone":"UTC","time_zone":"Asia/Aden"`: {"time_zone": "must be given once"},
	} {
		bad := newLog(uuid.New(), uuid.New(), fields)
		good := newLog(uuid.New(), uuid.New(), `"time_zone":"Asia/Tokyo"`)

		answer := service.call(http.StatusUnprocessableEntity, http.MethodPost, RecordPath, mediaJSON, bad)
		assertFields(t, want, "body.", problemOf(t, answer).Errors, fields)

		answer = service.call(http.StatusOK, http.MethodPost, batchPath, mediaJSON, "["+good+","+bad+"]")
		outcomes := decoded[BatchOutcomes](t, answer.Body.Bytes()).Outcomes
		require.Len(t, outcomes, 2)
		assert.EqualValues(t, "recorded", outcomes[0].Outcome)
		assert.EqualValues(t, "invalid", outcomes[1].Outcome)
		assertFields(t, want, "body[1].", outcomes[1].Errors, fields)

		good = newLog(uuid.New(), uuid.New(), `"utc_offset":"+09:00"`)
		answer = service.call(http.StatusOK, http.MethodPost, batchPath, mediaNDJSON, good+"\n"+bad+"\n")
		first, second, _ := strings.Cut(answer.Body.String(), "\n")
		assert.EqualValues(t, "recorded", decoded[BatchOutcome](t, []byte(first)).Outcome)
		assertFields(t, want, "body[1].", decoded[BatchOutcome](t, []byte(second)).Errors, fields)
	}
}

// assertFields checks which fields are wrong, by the messages.
func assertFields(t *testing.T, want map[string]string, location string, fields []problem.Field, message string) {
	t.Helper()
	assert.Len(t, fields, len(want), message)
	for _, field := range fields {
		expected, ok := want[strings.TrimPrefix(field.Location, location)]
		assert.True(t, ok, "%s: %s", message, field.Location)
		assert.Contains(t, field.Message, expected, message)
	}
}

// The dates of the clocks in these two zones are never the same. So neither today is
// anybody else's.
func TestTodayIsToldByTheTimeZoneOfTheRequest(t *testing.T) {
	t.Parallel()
	service, user := newService(t, time.UTC), uuid.New()
	for zoneName, offset := range map[string]rollup.Offset{"Pacific/Kiritimati": 14 * 60, "Etc/GMT+12": -12 * 60} {
		parameter := "time_zone=" + strings.ReplaceAll(zoneName, "+", "%2B")
		earliest := offset.DateAt(time.Now())
		summary := get[Summary](service, pathOf(user, "/summary?"+parameter))
		streaks := get[Streaks](service, pathOf(user, "/streak?"+parameter))
		activity := get[Activity](service, pathOf(user, "/activity?"+parameter))
		latest := offset.DateAt(time.Now()) // it may be midnight meanwhile

		assert.Contains(t, []rollup.Date{earliest, latest}, summary.To, zoneName)
		assert.Equal(t, summary.To-29, summary.From, zoneName)
		assert.Contains(t, []string{earliest.String(), latest.String()}, streaks.Today, zoneName)
		assert.Contains(t, []int{earliest.Time().Year(), latest.Time().Year()}, activity.Year, zoneName)
	}
}

func TestTodayIsToldByTheLatestLogWithoutATimeZone(t *testing.T) {
	t.Parallel()
	service := newService(t, time.UTC)
	for _, offset := range []rollup.Offset{rollup.MinOffset, rollup.MaxOffset} {
		user := uuid.New()
		service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON,
			newLog(user, uuid.New(), `"timestamp":"2024-01-10T12:00:00Z","utc_offset":"`+offset.String()+`"`))
		earliest := offset.DateAt(time.Now())
		summary := get[Summary](service, pathOf(user, "/summary"))
		streaks := get[Streaks](service, pathOf(user, "/streak"))
		activity := get[Activity](service, pathOf(user, "/activity"))
		latest := offset.DateAt(time.Now())

		assert.Contains(t, []rollup.Date{earliest, latest}, summary.To, offset)
		assert.Contains(t, []string{earliest.String(), latest.String()}, streaks.Today, offset)
		assert.Contains(t, []int{earliest.Time().Year(), latest.Time().Year()}, activity.Year, offset)
	}
}

func TestAnInvalidTimeZoneOfARequestIsRefused(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, errAway)
	for _, path := range []string{"/summary", "/summary?to=2026-01-01", "/streak", "/activity", "/activity?year=2026"} {
		for _, zone := range []string{"EST", "Local", "Mars/Olympus_Mons", "+09:00", "Etc/GMT+ 12"} {
			target := pathOf(uuid.New(), path)
			if strings.Contains(path, "?") {
				target += "&"
			} else {
				target += "?"
			}
			answer := serve(handler, http.MethodGet, target+"time_zone="+strings.ReplaceAll(zone, "+", "%2B"), "", nil)

			require.Equal(t, http.StatusUnprocessableEntity, answer.Code, "%s, %s", path, zone)
			fields := problemOf(t, answer).Errors
			require.Len(t, fields, 1)
			assert.Equal(t, "query.time_zone", fields[0].Location, path)
			assert.Equal(t, "must be an IANA time zone such as Asia/Tokyo, or UTC", fields[0].Message, path)
			assert.Equal(t, zone, fields[0].Value, path)
		}
	}
}

func TestADateTimeMeansTheDateThatItShows(t *testing.T) {
	t.Parallel()
	service, user := newService(t, time.UTC), uuid.New()
	for day := 13; day <= 17; day++ {
		service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON,
			newLog(user, uuid.New(), fmt.Sprintf(`"timestamp":"2026-01-%dT12:00:00Z"`, day)))
	}
	// As instants, both are on the 15th in UTC.
	const query = "?from=2026-01-14T23:59:59-08:00&to=2026-01-16T00:00:00%2B14:00"

	summary := get[Summary](service, pathOf(user, "/summary"+query))
	assert.Equal(t, []string{"2026-01-14", "2026-01-16"}, []string{summary.From.String(), summary.To.String()})
	assert.EqualValues(t, 3, summary.EntryCount)

	var timestamps []string
	for _, log := range get[LearningLogs](service, pathOf(user, "/learning-logs"+query)).LearningLogs {
		timestamps = append(timestamps, log.Timestamp.Format(time.DateOnly))
	}
	assert.Equal(t, []string{"2026-01-16", "2026-01-15", "2026-01-14"}, timestamps)

	answer := service.call(http.StatusUnprocessableEntity, http.MethodGet,
		pathOf(user, "/summary?to=2026-01-16T00:00:00+14:00"), "", "")
	assert.Contains(t, answer.Body.String(), "+ must be written %2B", "as a + in a query is a space")
}

func TestPeriodsAreDates(t *testing.T) {
	t.Parallel()
	service, user := newService(t, time.UTC), uuid.New()
	service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON,
		newLog(user, uuid.New(), `"timestamp":"2024-01-09T14:00:00Z","time_zone":"Australia/Sydney"`)) // a Wednesday

	answer := service.call(http.StatusOK, http.MethodGet,
		pathOf(user, "/summary?granularity=week&from=2024-01-10&to=2024-01-10"), "", "")
	assert.JSONEq(t, `{
		"user_id":"`+user.String()+`","granularity":"week","from":"2024-01-08","to":"2024-01-08",
		"total_word_count":12,"entry_count":1,"average_words_learned":12,
		"periods":[{"period":"2024-01-08","total_word_count":12,"entry_count":1,"average_words_learned":12}]
	}`, answer.Body.String())

	answer = service.call(http.StatusOK, http.MethodGet, pathOf(user, "/activity?year=2024"), "", "")
	assert.Contains(t, answer.Body.String(), `"days":[{"date":"2024-01-10",`)
	assert.NotContains(t, answer.Body.String(), "zone", "there is none")
}

func TestAllowGapsIsForTheStreak(t *testing.T) {
	t.Parallel()
	service, user := newService(t, time.UTC), uuid.New()
	for _, day := range []int{10, 12, 15} {
		service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON,
			newLog(user, uuid.New(), fmt.Sprintf(`"timestamp":"2024-01-%dT12:00:00Z"`, day)))
	}
	for gaps, want := range map[string][2]string{
		"":              {"2024-01-15", "2024-01-15"},
		"?allow_gaps=0": {"2024-01-15", "2024-01-15"},
		"?allow_gaps=1": {"2024-01-10", "2024-01-12"},
		"?allow_gaps=2": {"2024-01-10", "2024-01-15"},
		"?allow_gaps=6": {"2024-01-10", "2024-01-15"},
	} {
		longest := get[Streaks](service, pathOf(user, "/streak"+gaps)).Longest
		assert.Equal(t, want, [2]string{*longest.From, *longest.To}, gaps)
	}
	for _, gaps := range []string{"-1", "8", "two"} {
		answer := service.call(http.StatusUnprocessableEntity, http.MethodGet, pathOf(user, "/streak?allow_gaps="+gaps), "", "")
		assert.Equal(t, "query.allow_gaps", problemOf(t, answer).Errors[0].Location, gaps)
	}
}

// The hand-written encoding matches the documentation.
func TestALogIsWrittenAsItIsDocumented(t *testing.T) {
	t.Parallel()
	log := LearningLog{
		RequestID: uuid.NewString(), UserID: uuid.NewString(), WordCount: 12, UTCOffset: "-03:30",
		Timestamp:  time.Date(2024, time.January, 9, 14, 0, 0, 0, time.UTC),
		RecordedAt: time.Date(2024, time.January, 9, 14, 0, 1, 250_317_000, time.UTC),
	}
	want, err := json.Marshal(log)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(log.appendJSON(nil)))
}
