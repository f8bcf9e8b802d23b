package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"
)

// ErrNoQueue means that there is no queue with that name.
var ErrNoQueue = errors.New("there is no queue with this name")

// Queue is one of the queues in which jobs wait. It is the same for all processes.
type Queue struct {
	Name string
	// PausedAt is since when no process begins jobs of the queue, in UTC, or nil. Jobs
	// that had begun before go on.
	PausedAt *time.Time
}

// Has says in words which jobs the queue has.
func (q Queue) Has() string {
	switch q.Name {
	case river.QueueDefault:
		return "rebuilds and verifications that were asked for over the API"
	case routineQueue:
		return "routine verifications"
	case rezoneQueue:
		return "re-zones"
	case eraseQueue:
		return "erasures of learners"
	case purgeQueue:
		return "purges"
	case operatorQueue:
		return "rebuilds and verifications that operators asked for"
	default:
		return "its jobs"
	}
}

// Queues returns the queues, by name.
func (j *Jobs) Queues(ctx context.Context) ([]Queue, error) {
	listed, err := j.client.QueueList(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("listing the queues: %w", err)
	}
	queues := make([]Queue, 0, len(listed.Queues))
	for _, row := range listed.Queues {
		queues = append(queues, Queue{Name: row.Name, PausedAt: inUTC(row.PausedAt)})
	}
	return queues, nil
}

// Resume makes all processes work on the jobs of a queue again, within a moment. It
// fails with [ErrNoQueue]. A queue that isn't paused stays as it is.
func (j *Jobs) Resume(ctx context.Context, name string) error {
	queues, err := j.Queues(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(queues, func(queue Queue) bool { return queue.Name == name }) {
		return ErrNoQueue
	}
	if err := j.client.QueueResume(ctx, name, nil); err != nil {
		return fmt.Errorf("resuming the queue %s: %w", name, err)
	}
	return nil
}

// logPauses says in the log which queues were paused, and which were resumed, since it
// was called last. paused are the queues that were paused then.
func (j *Jobs) logPauses(ctx context.Context, paused map[string]bool) {
	queues, err := j.Queues(ctx)
	if err != nil {
		if ctx.Err() == nil {
			j.logger.WarnContext(ctx, "looking for paused queues failed", "error", err)
		}
		return
	}
	for _, queue := range queues {
		switch isPaused := queue.PausedAt != nil; {
		case isPaused && !paused[queue.Name]:
			j.logger.WarnContext(ctx, "a queue is paused: its jobs wait until it is resumed, at /admin or by a POST to the path in resume",
				"queue", queue.Name, "jobs", queue.Has(), "paused_at", *queue.PausedAt, "resume", "/admin/queues/"+queue.Name+"/resume")
		case !isPaused && paused[queue.Name]:
			j.logger.InfoContext(ctx, "a queue was resumed", "queue", queue.Name, "jobs", queue.Has())
		}
		paused[queue.Name] = queue.PausedAt != nil
	}
}
