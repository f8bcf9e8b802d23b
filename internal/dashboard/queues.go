package dashboard

import (
	"context"
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"learninglog/rollup/rebuild"
)

// pausedQueues returns the queues of which no jobs are begun.
func (p *Pages) pausedQueues(ctx context.Context) ([]rebuild.Queue, error) {
	queues, err := p.Jobs.Queues(ctx)
	if err != nil {
		return nil, err
	}
	isWorked := func(queue rebuild.Queue) bool { return queue.PausedAt == nil }
	return slices.DeleteFunc(queues, isWorked), nil
}

// resumeQueue resumes a queue, and shows the page again.
func (p *Pages) resumeQueue(w http.ResponseWriter, r *http.Request) error {
	if err := p.Jobs.Resume(r.Context(), chi.URLParam(r, "queue")); err != nil {
		return err
	}
	http.Redirect(w, r, "/admin", http.StatusSeeOther)
	return nil
}
