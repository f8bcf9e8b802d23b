package dashboard //nolint:testpackage // how a log is shown depends on the date, which the page takes from the clock

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

	"learninglog/internal/language"
	"learninglog/learning"
	"learninglog/rollup"
)

func TestALogIsShownByItsWeekdayAndTime(t *testing.T) {
	t.Parallel()
	log := learning.Log{
		RequestID: uuid.New(), WordCount: 1_200, UTCOffset: 9 * 60,
		Timestamp: time.Date(2026, time.March, 4, 22, 30, 15, 0, time.UTC), // in Tokyo it was the 5th
	}
	for tag, want := range map[string]string{
		"en": "Thursday, 5 March, 07:30", "en-US": "Thursday, March 5, 7:30 AM", "de": "Donnerstag, 5. März, 07:30", "ja": "3月5日(木) 07:30",
	} {
		shown := newShownLog(language.Of(tag), log, rollup.NewDate(2026, time.November, 26), 9*60)
		assert.Equal(t, want, shown.Time)
		assert.Empty(t, shown.Offset, "it is that of today's clock")
	}
	l := language.English()
	shown := newShownLog(l, log, rollup.NewDate(2027, time.January, 1), 60)
	assert.Equal(t, "5 March 2026, 07:30:15", shown.Time, "of another year")
	assert.Equal(t, "+09:00", shown.Offset)
	assert.Equal(t, "1,200", shown.Words)
	assert.Equal(t, "1,200 words of 5 March 2026, 07:30:15 won't count any more, and can't be recorded again.", shown.Warning)
}
