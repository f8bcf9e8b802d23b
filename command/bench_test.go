package command_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

// The test server doesn't wait for the disk, so compare the sizes only with each
// other.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("logs=%d", size), func(b *testing.B) {
			recorder := newRecorder(b, pgtest.Pool(b))
			users := newIDs(1000)
			logs := make([]command.Log, size)
			for b.Loop() {
				for i := range logs {
					logs[i] = newLog(12, "2026-11-22T08:00:00Z")
					logs[i].UserID = users[i%len(users)]
				}
				record(b, recorder, logs...)
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "logs/s")
		})
	}
}

func BenchmarkRecordDuplicate(b *testing.B) {
	recorder := newRecorder(b, pgtest.Pool(b))
	log := newLog(12, "2026-11-22T08:00:00Z")
	log.UserID = uuid.New()
	for b.Loop() {
		record(b, recorder, log)
	}
}

// Compare with BenchmarkRecord: a clean-up should be as fast as recording was.
func BenchmarkVoid(b *testing.B) {
	for _, size := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("logs=%d", size), func(b *testing.B) {
			recorder := newRecorder(b, pgtest.Pool(b))
			users := newIDs(1000)
			logs := make([]command.Log, size)
			for b.Loop() {
				b.StopTimer()
				for i := range logs {
					logs[i] = newLog(12, "2026-11-22T08:00:00Z")
					logs[i].UserID = users[i%len(users)]
				}
				record(b, recorder, logs...)
				b.StartTimer()
				void(b, recorder, logs...)
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "logs/s")
		})
	}
}
