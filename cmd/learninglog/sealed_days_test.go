package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

func TestSealedDaysThatNoLogsCanAddUpToAreInvalid(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	for sums, want := range map[string]string{
		`"total_word_count":1,"entry_count":100000001`:             "must be a whole number from 1 to 100000000",
		`"total_word_count":2147483648,"entry_count":1`:            "must be at most 2147483647: as much as 1 logs can have",
		`"total_word_count":9223372036854775807,"entry_count":100`: "must be at most 214748364700: as much as 100 logs can have",
	} {
		answer := s.restore(fmt.Sprintf(`{"user_id":"%s","day":"2026-01-14",%s}`, uuid.New(), sums))
		assert.Contains(t, answer, `"outcome":"invalid"`)
		assert.Contains(t, answer, want)
	}
	var month []string
	user := uuid.New()
	for day := range 31 {
		month = append(month, fmt.Sprintf(
			`{"user_id":"%s","day":"2026-01-%02d","total_word_count":214748364700000000,"entry_count":100000000}`, user, day+1))
	}

	answer := s.restore(strings.Join(month, "\n"))

	assert.Equal(t, 31, strings.Count(answer, `"outcome":"recorded"`), "a month of the largest fits: %s", answer)
	assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, databaseURL)))
}

func TestASealedDayThatCannotBeReadIsInvalidAlone(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	day := func(date, more string) string {
		return fmt.Sprintf(`{"user_id":"%s","day":"%s","total_word_count":5,"entry_count":1%s}`, user, date, more)
	}
	for _, broken := range []string{"{", day("2026-01-15", `,"\ud800":1`), day("2026-01-15", "\xff"), day("2026-01-15", "")[1:]} {
		answer := strings.Split(s.restore(day("2026-01-14", "")+"\n"+broken+"\n"+day("2026-01-16", "")), "\n")

		assert.Contains(t, answer[0], `"index":0,"outcome":"`)
		assert.Contains(t, answer[1], `{"index":1,"outcome":"invalid","retryable":false,"errors":[{"location":"body[1]","message":"The JSON is `)
		assert.Contains(t, answer[2], `"index":2,"outcome":"`)
		words, entries := s.sums(user, "?granularity=total")
		assert.Equal(t, []int{10, 2}, []int{words, entries}, broken)
	}
}

// restore posts sealed days, and returns their outcomes.
func (s *service) restore(days string) string {
	s.t.Helper()
	answer, err := s.send(http.MethodPost, "/v1/sealed-days", ndjson, days)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, answer.status, "%s", answer.body)
	return string(answer.body)
}
