package api

import (
	"bufio"
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/learning"
	"learninglog/query"
)

// A client that reads slowly would keep a snapshot of the database for hours.
func TestAnExportThatIsReadTooSlowlyIsGivenUp(t *testing.T) {
	t.Parallel()
	text := make([]byte, maxWrite)
	for name, test := range map[string]struct {
		after time.Duration
		want  error
	}{
		"in time":  {exportPatience + time.Second, nil},
		"too late": {exportPatience + 3*time.Second, errReadSlowly},
	} {
		out := &exportWriter{response: httptest.NewRecorder(), begun: time.Now().Add(-test.after)}
		_, err := out.Write(text) // which allows two seconds more
		assert.ErrorIs(t, err, test.want, name)
	}
}

func TestALineOfAnExportIsAsItIsDocumented(t *testing.T) {
	t.Parallel()
	log := query.ExportedLog{OffsetGiven: true, Log: learning.Log{
		RequestID: uuid.New(), UserID: uuid.New(), WordCount: 7, Timestamp: time.Now().UTC(), RecordedAt: time.Now().UTC(), UTCOffset: 330,
		VoidedAt: time.Now().UTC(),
	}}
	recorder := httptest.NewRecorder()
	out := bufio.NewWriter(recorder)
	require.NoError(t, toNDJSON(out).Log(log))
	require.NoError(t, out.Flush())

	want, err := json.Marshal(ExportLine{LearningLog: &ExportedLog{LearningLog: fromLog(log.Log), OffsetGiven: true}})
	require.NoError(t, err)
	assert.Equal(t, string(want)+"\n", recorder.Body.String())
}
