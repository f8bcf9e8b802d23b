package main_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tour in the README, as pasted, gives what the README shows.
func TestReadmeTour(t *testing.T) {
	t.Parallel()
	needCurl(t)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, tour, found := strings.Cut(string(readme), "\n## Five minutes\n")
	require.True(t, found)
	tour, _, _ = strings.Cut(tour, "\n## ")
	steps := regexp.MustCompile("(?s)```sh\n(.*?)```\n\n```(?:json|text)\n(.*?)```").FindAllStringSubmatch(tour, -1)
	require.GreaterOrEqual(t, len(steps), 7)

	dir := dataDir(t)
	s := serve(t, "--data-dir", dir)
	ever := regexp.MustCompile(`"recorded_at":"[^"]*"`)
	for _, step := range steps {
		command := strings.ReplaceAll(step[1], "http://127.0.0.1:8080", s.base)
		command = strings.ReplaceAll(command, "bin/learninglog verify", program+" verify --data-dir "+dir)
		shell := exec.Command("sh", "-c", command)
		shell.Env = environment()
		output, err := shell.Output()
		require.NoError(t, err, command)
		assert.Equal(t,
			strings.TrimSpace(ever.ReplaceAllString(step[2], "ever")),
			strings.TrimSpace(ever.ReplaceAllString(string(output), "ever")), command)
	}
}
