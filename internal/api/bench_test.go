package api

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"learninglog/command"
)

func BenchmarkDecodeLog(b *testing.B) {
	text := []byte(strings.Replace(aLog, "12", `12,"timestamp":"2026-11-22T08:30:00.123456Z"`, 1))
	limits := command.DefaultLimits()
	b.ReportAllocs()
	for b.Loop() {
		_, wrong, err := decodeLog("body", text, limits)
		require.NoError(b, err)
		require.Empty(b, wrong)
	}
}
