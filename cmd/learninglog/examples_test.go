package main_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/pgtest"
)

// Whoever writes a client begins with the examples.
func TestEveryExampleIsWhatItsSchemaSays(t *testing.T) {
	t.Parallel()
	found := 0
	apiDocument.eachExample("", func(at string, example any, validate func() error) {
		found++
		assert.NoError(t, validate(), "%s: %v", at, example)
	})
	assert.Greater(t, found, 100)
}

// eachExample calls do for all examples at a place and below it.
func (w *written) eachExample(at string, do func(at string, example any, validate func() error)) {
	switch here := w.find(at).(type) {
	case []any:
		for i := range here {
			w.eachExample(pointer(at, strconv.Itoa(i)), do)
		}
	case map[string]any:
		w.examplesAt(at, here, do)
		for _, name := range slices.Sorted(maps.Keys(here)) {
			w.eachExample(pointer(at, name), do)
		}
	}
}

// examplesAt calls do for the examples of a schema, a parameter or a media type.
func (w *written) examplesAt(at string, here map[string]any, do func(at string, example any, validate func() error)) {
	ofValue := func(place string, value any) {
		do(place, value, func() error {
			if text, ok := value.(string); ok && here["x-itemSchema"] != nil {
				return w.validateText(at, []byte(text))
			}
			return w.validate(pointer(at, "schema"), value)
		})
	}
	switch examples := here["examples"].(type) {
	case []any: // of a schema
		for i, example := range examples {
			do(pointer(at, "examples", strconv.Itoa(i)), example, func() error { return w.validate(at, example) })
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(examples)) {
			if here["schema"] == nil {
				break // they are the components themselves
			}
			place := w.follow(pointer(at, "examples", name))
			ofValue(place, w.find(pointer(place, "value")))
		}
	}
	if example, ok := here["example"]; ok && here["schema"] != nil {
		ofValue(pointer(at, "example"), example)
	}
}

func TestEveryExampleOfARequestIsAccepted(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	_, key, err := access.NewKeys(pgtest.Open(t, databaseURL)).Create(t.Context(), access.NewKey{Name: "all", Scopes: access.Scopes()})
	require.NoError(t, err)
	s := serve(t, "--auth=keys", "--database-url", databaseURL)
	s.key = key
	sent := make(map[string]int)
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		for _, operation := range apiDocument.operations[method] {
			content := pointer("", "paths", operation.path, strings.ToLower(method), "requestBody", "content")
			mediaTypes, _ := apiDocument.find(content).(map[string]any)
			for _, mediaType := range slices.Sorted(maps.Keys(mediaTypes)) {
				apiDocument.eachExample(pointer(content, mediaType), func(at string, example any, _ func() error) {
					if strings.Contains(at, "/schema/") {
						return
					}
					body, isText := example.(string)
					if !isText {
						text, err := json.Marshal(example)
						require.NoError(t, err)
						body = string(text)
					}
					sent[method]++
					path := strings.ReplaceAll(operation.path, "{user_id}", uuid.NewString())
					got, err := s.send(method, path, mediaType, body)
					require.NoError(t, err)
					assert.Equal(t, 2, got.status/100, "%s: %d %s", at, got.status, got.body)
					assert.NotContains(t, string(got.body), `"invalid","`, at)
				})
			}
		}
	}
	assert.Greater(t, sent[http.MethodPost], 9)
	assert.Positive(t, sent[http.MethodPut])
}

// The comparison that all tests make would find what differs.
func TestAnAnswerThatDiffersFromTheDocumentIsFound(t *testing.T) {
	t.Parallel()
	const path = "/v1/learning-logs/batch"
	const outcome = `{"index":0,"outcome":"recorded","retryable":false}`
	for _, test := range []struct {
		status               int
		mediaType, body, why string
	}{
		{200, "application/x-ndjson", outcome + "\n" + outcome + "\n", ""},
		{200, "application/x-ndjson", outcome + "\n{}\n", "missing properties"},
		{200, "application/x-ndjson", strings.Replace(outcome, "recorded", "lost", 1), "value must be one of"},
		{200, "application/x-ndjson", strings.Replace(outcome, "{", `{"more":1,`, 1), "additional properties 'more' not allowed"},
		{200, "application/json", "[", "no JSON"},
		{200, "text/csv", "a", "media type"},
		{201, "application/json", "{}", "status"},
		{403, "application/problem+json", `{"type":"/problems/forbidden","title":"No","status":403}`, ""},
		{403, "application/problem+json", `{"type":"/problems/voided","title":"No","status":403}`, "no example"},
		{405, "application/problem+json", `{"type":"/problems/method-not-allowed","title":"No","status":405}`, ""},
	} {
		request := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: path}}
		answer := httptest.NewRecorder()
		answer.Header().Set("Content-Type", test.mediaType)
		answer.WriteHeader(test.status)
		err := apiDocument.compare(request, answer.Result(), []byte(test.body))
		if test.why == "" {
			assert.NoError(t, err, "%+v", test)
		} else {
			assert.ErrorContains(t, err, test.why, "%+v", test)
		}
	}
}
