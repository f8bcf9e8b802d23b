package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/problem"
)

const voidPath = RecordPath + "/void"

func logPath(user, id uuid.UUID) string { return pathOf(user, "/learning-logs/"+id.String()) }

func target(user, id uuid.UUID) string {
	return `{"request_id":"` + id.String() + `","user_id":"` + user.String() + `"}`
}

func TestALogThatIsTakenBackDoesNotCount(t *testing.T) {
	t.Parallel()
	service, user, id := newService(t, time.UTC), uuid.New(), uuid.New()
	log := newLog(user, id, `"timestamp":"2024-01-09T14:00:00Z"`)
	service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON, log)

	answer := service.call(http.StatusOK, http.MethodDelete, logPath(user, id), "", "")

	voided := decoded[LearningLog](t, answer.Body.Bytes())
	require.NotNil(t, voided.VoidedAt)
	assert.WithinDuration(t, time.Now(), *voided.VoidedAt, time.Minute)
	assert.Zero(t, get[Summary](service, pathOf(user, "/summary?from=2024-01-01&to=2024-01-31")).Sums)
	assert.JSONEq(t, answer.Body.String(), service.call(http.StatusOK, http.MethodGet, logPath(user, id), "", "").Body.String(),
		"it can still be read")
	assert.JSONEq(t, answer.Body.String(), service.call(http.StatusOK, http.MethodDelete, logPath(user, id), "", "").Body.String(),
		"taking it back again is answered the same")
	assert.Empty(t, get[LearningLogs](service, pathOf(user, "/learning-logs")).LearningLogs)
	assert.Equal(t, []LearningLog{voided}, get[LearningLogs](service, pathOf(user, "/learning-logs?voided=include")).LearningLogs)
	assert.Empty(t, pgtest.Drift(t, service.pool))
}

// A retry may come late.
func TestALogThatWasTakenBackCannotBeRecordedAgain(t *testing.T) {
	t.Parallel()
	service, user, id := newService(t, time.UTC), uuid.New(), uuid.New()
	log := newLog(user, id, `"timestamp":"2024-01-09T14:00:00Z"`)
	service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON, log)
	service.call(http.StatusOK, http.MethodDelete, logPath(user, id), "", "")

	for _, path := range []string{RecordPath, RecordPath + "?on_duplicate=return"} {
		answer := service.call(http.StatusConflict, http.MethodPost, path, mediaJSON, log)
		assert.Equal(t, problem.Voided.Path(), problemOf(t, answer).Type)
		assert.Contains(t, answer.Body.String(), `"voided_at":"`)
	}
	for door, post := range doors() {
		outcome := post(service, batchPath, log)
		assert.EqualValues(t, "voided", outcome.Outcome, door)
		assert.False(t, outcome.Retryable, door)
		require.NotNil(t, outcome.LearningLog, door)
		assert.NotNil(t, outcome.LearningLog.VoidedAt, door)
	}
	assert.Zero(t, get[Summary](service, pathOf(user, "/summary?from=2024-01-01&to=2024-01-31")).Sums)
}

func TestManyLogsAreTakenBackEachWithItsOutcome(t *testing.T) {
	t.Parallel()
	service := newService(t, time.UTC)
	for contentType, join := range map[string]func([]string) string{
		mediaJSON:   func(targets []string) string { return "[" + strings.Join(targets, ",") + "]" },
		mediaNDJSON: func(targets []string) string { return strings.Join(targets, "\n") },
	} {
		user, counts, voided := uuid.New(), uuid.New(), uuid.New()
		for _, id := range []uuid.UUID{counts, voided} {
			service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON, newLog(user, id))
		}
		service.call(http.StatusOK, http.MethodDelete, logPath(user, voided), "", "")

		answer := service.call(http.StatusOK, http.MethodPost, voidPath, contentType, join([]string{
			target(user, counts), target(user, voided), target(uuid.New(), counts), `{"request_id":"x"}`,
		}))

		var outcomes []string
		if contentType == mediaJSON {
			all := decoded[VoidOutcomes](t, answer.Body.Bytes())
			assert.Equal(t, []int{1, 1, 1, 1, 0}, []int{all.Voided, all.AlreadyVoided, all.Unknown, all.Invalid, all.Failed})
			for _, outcome := range all.Outcomes {
				outcomes = append(outcomes, string(outcome.Outcome))
			}
		} else {
			for line := range strings.Lines(answer.Body.String()) {
				outcomes = append(outcomes, string(decoded[BatchOutcome](t, []byte(line)).Outcome))
			}
		}
		assert.Equal(t, []string{"voided", "already_voided", "unknown", "invalid"}, outcomes, contentType)
	}
	assert.Empty(t, pgtest.Drift(t, service.pool))
}

func TestWhatIsNotThereCannotBeTakenBack(t *testing.T) {
	t.Parallel()
	service, user, id := newService(t, time.UTC), uuid.New(), uuid.New()
	service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON, newLog(user, id))

	problemOf(t, service.call(http.StatusNotFound, http.MethodDelete, logPath(user, uuid.New()), "", ""))
	problemOf(t, service.call(http.StatusNotFound, http.MethodDelete, logPath(uuid.New(), id), "", ""))
	problemOf(t, service.call(http.StatusUnprocessableEntity, http.MethodDelete, pathOf(user, "/learning-logs/x"), "", ""))
}

func TestALogReplacesAnother(t *testing.T) {
	t.Parallel()
	service, user, wrong, right := newService(t, time.UTC), uuid.New(), uuid.New(), uuid.New()
	const timestamp = `"timestamp":"2024-01-09T14:00:00Z"`
	service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON, newLog(user, wrong, timestamp))
	correction := newLog(user, right, timestamp, `"time_zone":"Australia/Sydney"`, `"replaces":"`+wrong.String()+`"`)

	service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON, correction)

	days := get[Summary](service, pathOf(user, "/summary?fill=false&from=2024-01-01&to=2024-01-31")).Periods
	require.Len(t, days, 1)
	assert.Equal(t, "2024-01-10", days[0].Period.String())
	assert.NotNil(t, get[LearningLog](service, logPath(user, wrong)).VoidedAt)
	answer := service.call(http.StatusConflict, http.MethodPost, RecordPath, mediaJSON, correction)
	assert.Equal(t, problem.AlreadyRecorded.Path(), problemOf(t, answer).Type, "sent again, it is a duplicate")
	assert.Empty(t, pgtest.Drift(t, service.pool))
}

func TestALogThatCannotReplaceAnotherIsNotRecorded(t *testing.T) {
	t.Parallel()
	service, user, voided := newService(t, time.UTC), uuid.New(), uuid.New()
	service.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON, newLog(user, voided))
	service.call(http.StatusOK, http.MethodDelete, logPath(user, voided), "", "")
	for _, replaced := range []uuid.UUID{voided, uuid.New()} {
		id := uuid.New()
		log := newLog(user, id, `"replaces":"`+replaced.String()+`"`)

		answer := service.call(http.StatusConflict, http.MethodPost, RecordPath, mediaJSON, log)
		wrong := problemOf(t, answer)
		assert.Equal(t, problem.ReplacedUnknown.Path(), wrong.Type)
		assert.Equal(t, "body.replaces", wrong.Errors[0].Location)
		for door, post := range doors() {
			outcome := post(service, batchPath, log)
			assert.EqualValues(t, "replaced_unknown", outcome.Outcome, door)
			assert.False(t, outcome.Retryable, door)
		}
		service.call(http.StatusNotFound, http.MethodGet, logPath(user, id), "", "")
	}
	id := uuid.New()
	for _, replaces := range []string{`""`, `"x"`, `5`, `"` + uuid.Nil.String() + `"`, `"` + id.String() + `"`} {
		answer := service.call(http.StatusUnprocessableEntity, http.MethodPost, RecordPath, mediaJSON,
			newLog(user, id, `"replaces":`+replaces))
		assert.Equal(t, "body.replaces", problemOf(t, answer).Errors[0].Location, replaces)
	}
}

// Go's zero time, to the microsecond, must not read as a log that counts.
func TestTheZeroTimeIsNoTimeOfTakingBack(t *testing.T) {
	t.Parallel()
	service, user := newService(t, time.UTC), uuid.New()
	for _, at := range []string{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000001Z"} {
		log := newLog(user, uuid.New(), `"timestamp":"2024-01-09T14:00:00Z"`, `"voided_at":"`+at+`"`)

		answer := service.call(http.StatusUnprocessableEntity, http.MethodPost, RecordPath, mediaJSON, log)

		assert.Contains(t, answer.Body.String(), `"location":"body.voided_at"`, at)
	}
	assert.Empty(t, get[LearningLogs](service, pathOf(user, "/learning-logs?voided=include")).LearningLogs)
}
