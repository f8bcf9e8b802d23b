package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A proxy may end an answer well that the service has broken off.
func TestAnExportThatWasBrokenOffIsNoFile(t *testing.T) {
	t.Parallel()
	const log = `{"learning_log":{"request_id":"r"}}` + "\n"
	begin := func(logs int) string {
		return fmt.Sprintf(`{"export":{"version":1,"keys":0,"sessions":0,"sealed_days":0,"learning_logs":%d}}`+"\n", logs)
	}
	for text, want := range map[string]string{
		begin(2) + log + log:      "",
		begin(2) + log:            "the export is not complete",
		begin(2) + log + log[:20]: "the export is not complete",
		begin(2)[:20]:             "the answer is not an export",
		"<html>":                  "the answer is not an export",
		"":                        "the answer is not an export",
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(text))
		}))
		t.Cleanup(proxy.Close)
		file := filepath.Join(t.TempDir(), "learner.ndjson")

		_, stderr, status := run(t, "export", "--user", uuid.NewString(), "--url", proxy.URL, "--output", file)

		there, err := os.ReadFile(file)
		if want == "" {
			require.NoError(t, err, stderr)
			assert.Equal(t, text, string(there))
			continue
		}
		assert.Equal(t, 2, status, text)
		assert.Contains(t, stderr, want)
		assert.ErrorIs(t, err, os.ErrNotExist)
	}
}
