package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// The tour in the README, as pasted, prints what the README shows, and leaves
// nothing in the checkout.
func TestReadmeTour(t *testing.T) {
	t.Parallel()
	needCurl(t)
	tour := readmeSection(t, "Five minutes")
	steps := regexp.MustCompile("(?s)```sh\n(.*?)```\n\n```(?:json|text)\n(.*?)```").FindAllStringSubmatch(tour, -1)
	require.GreaterOrEqual(t, len(steps), 7)
	pictures := regexp.MustCompile("(?s)```sh\n(curl .*?)```").FindStringSubmatch(readmeSection(t, "Look instead of read"))
	require.NotNil(t, pictures)

	checkout, temporary := t.TempDir(), t.TempDir()
	database := []string{"--data-dir", dataDir(t)}
	if pgtest.Distributed() {
		database = []string{"--database-url", pgtest.URL(t)}
	}
	s := serve(t, database...)
	paste := func(lines string) (output string) {
		t.Helper()
		lines = strings.ReplaceAll(lines, " /tmp/", " "+temporary+"/")
		lines = strings.ReplaceAll(lines, "http://127.0.0.1:8080", s.base)
		lines = strings.ReplaceAll(lines, "bin/learninglog verify", program+" verify "+strings.Join(database, " "))
		shell := exec.Command("sh", "-ec", lines)
		shell.Env, shell.Dir = environment(), checkout
		text, err := shell.Output()
		require.NoError(t, err, lines)
		return string(text)
	}
	ever := regexp.MustCompile(`"recorded_at":"[^"]*"`)
	for _, step := range steps {
		assert.Equal(t,
			strings.TrimSpace(ever.ReplaceAllString(step[2], "ever")),
			strings.TrimSpace(ever.ReplaceAllString(paste(step[1]), "ever")), step[1])
	}
	assert.Contains(t, paste(pictures[1]), "2026-01-15,0,0,0", "a line of the spreadsheet")

	left, err := os.ReadDir(checkout)
	require.NoError(t, err)
	assert.Empty(t, left)
	picture, err := os.ReadFile(filepath.Join(temporary, "january.svg"))
	require.NoError(t, err)
	assert.Contains(t, string(picture), "<svg")
}

// readmeSection returns the text of the README under a heading.
func readmeSection(t testing.TB, heading string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## "+heading+"\n")
	require.True(t, found, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}
