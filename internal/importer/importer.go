// Package importer sends the learning logs in a file to a running service, until
// each of them has an outcome. It sends logs that the service doesn't acknowledge
// again, even after a restart of the service. Importing is idempotent, because the
// service counts every log once.
//
// Start with [Open] and [New].
package importer

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Config configures an [Importer].
type Config struct {
	// Service is the base URL of the service.
	Service *url.URL
	Input   *Input
	// Reject is called with each log that can't be recorded: an invalid one, or one
	// whose request id belongs to a different log. If it returns an error, the
	// import fails.
	Reject func(Reject) error
	// RetryFor is how long the import continues while the service acknowledges
	// nothing. Then it fails with a [*GaveUpError].
	RetryFor time.Duration
	// AnswerTimeout is how long the service may send nothing before a request is
	// complete. Then the request is sent again. It should be longer than the service
	// waits for its database. Default: [DefaultAnswerTimeout].
	AnswerTimeout time.Duration
}

// DefaultAnswerTimeout is twice as long as a service waits for its database by
// default.
const DefaultAnswerTimeout = 30 * time.Second

// Importer imports one input.
type Importer struct {
	config   Config
	endpoint string
	client   *http.Client

	mu       sync.Mutex
	progress Progress
}

// Progress is how far an import has come.
type Progress struct {
	// Bytes is how much of the stored (perhaps compressed) input has been processed.
	Bytes int64
	// The numbers of logs by outcome.
	Recorded, AlreadyRecorded, RequestIDReused, Invalid int64
	// Trouble is the reason why logs are currently being sent again, or nil.
	Trouble error
}

// Logs returns the number of logs that have an outcome.
func (p Progress) Logs() int64 { return p.Recorded + p.AlreadyRecorded + p.Rejected() }

// Rejected returns the number of logs that were not recorded.
func (p Progress) Rejected() int64 { return p.RequestIDReused + p.Invalid }

// New returns an importer.
func New(config Config) *Importer {
	config.AnswerTimeout = cmp.Or(config.AnswerTimeout, DefaultAnswerTimeout)
	return &Importer{
		config:   config,
		endpoint: config.Service.JoinPath("v1/learning-logs/batch").String(),
		client: &http.Client{
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse // the body can't be sent a second time
			},
		},
	}
}

// Run imports the whole input. It fails if the input can't be read, if the service
// refuses it as a whole, if the service acknowledges nothing for too long, or if ctx
// ends.
func (i *Importer) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer i.client.CloseIdleConnections()
	for blocks := i.config.Input.blocks(ctx); ; {
		select {
		case next := <-blocks:
			if err := i.importBlock(ctx, next); err != nil {
				return err
			}
			if errors.Is(next.end, io.EOF) {
				return nil
			}
			if next.end != nil {
				return next.end
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (i *Importer) importBlock(ctx context.Context, b block) error {
	logs, err := i.rejectUnreadable(b.logs)
	if err != nil {
		return err
	}
	return i.sendAll(ctx, logs)
}

// Progress returns the progress. It may be called during Run.
func (i *Importer) Progress() Progress {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.progress
}

func (i *Importer) update(change func(*Progress)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(&i.progress)
}

// rejectUnreadable rejects logs that could not be decoded, and returns the others.
func (i *Importer) rejectUnreadable(all []inputLog) (logs []inputLog, err error) {
	for _, log := range all {
		if log.wrong == nil {
			logs = append(logs, log)
			continue
		}
		if err := i.settle(log, outcome{Outcome: invalid, Errors: log.wrong}); err != nil {
			return nil, err
		}
	}
	return logs, nil
}
