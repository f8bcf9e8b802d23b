package command_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/caller"
)

// call is a running call of Record.
type call struct {
	logs     []command.Log
	outcomes []command.Outcome
	done     chan struct{}
}

func (c *call) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// wait waits for the outcomes and returns them.
func (c *call) wait(t require.TestingT) []command.Outcome {
	select {
	case <-c.done:
	case <-time.After(eventually):
		require.FailNow(t, "a call isn't answered")
	}
	require.Len(t, c.outcomes, len(c.logs))
	return c.outcomes
}

// only returns the outcome of a call with one log.
func (c *call) only(t *testing.T) command.Outcome {
	t.Helper()
	require.Len(t, c.logs, 1)
	return c.wait(t)[0]
}

func (c *call) allRecorded(t *testing.T) {
	t.Helper()
	for i, outcome := range c.wait(t) {
		require.Equal(t, command.Recorded, outcome.Status, "of log %d: %v", i, outcome.Err)
		require.Equal(t, c.logs[i].RequestID, outcome.Log.RequestID)
	}
}

func submit(recorder *command.Recorder, logs ...command.Log) *call {
	return submitWith(context.Background(), recorder, logs...)
}

func submitWith(ctx context.Context, recorder *command.Recorder, logs ...command.Log) *call {
	c := &call{logs: logs, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.outcomes = recorder.Record(ctx, logs)
	}()
	return c
}

// from returns the context of a caller's requests.
func from(ctx context.Context, number int) context.Context {
	return caller.With(ctx, new(caller.At(&net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(number))})))
}

func waitUntilWaiting(t *testing.T, recorder *command.Recorder, logs int) {
	t.Helper()
	require.Eventually(t, func() bool { return recorder.Waiting() == logs && recorder.Queued() == logs }, eventually, often,
		"%d logs should wait", logs)
}
