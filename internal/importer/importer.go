// Package importer sends the learning logs of a file to a running service and
// sees every one of them through: what the service doesn't acknowledge is sent
// again, also to one that was restarted meanwhile. Importing a file again is safe,
// as the service counts every log once.
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

// Config says what to import, and where to.
type Config struct {
	// Service is the base URL of the service.
	Service *url.URL
	Input   *Input
	// Reject takes a log that was not recorded and won't be: one that is invalid,
	// or whose request id belongs to another. Its error ends the import.
	Reject func(Reject) error
	// RetryFor is how long the service may acknowledge nothing before the import
	// is given up.
	RetryFor time.Duration
	// AnswerTimeout is how long the service may say nothing to a request that it has
	// not answered whole; then it is sent again. It should be longer than the service
	// waits for its database. Default: [DefaultAnswerTimeout].
	AnswerTimeout time.Duration
}

// DefaultAnswerTimeout is twice as long as a service waits for its database unless
// it is told otherwise.
const DefaultAnswerTimeout = 30 * time.Second

// Importer imports one input.
type Importer struct {
	config   Config
	endpoint string
	client   *http.Client

	mu       sync.Mutex
	progress Progress
}

// Progress is how far an import is.
type Progress struct {
	// Bytes is how much of the input, as it is stored, is done.
	Bytes int64
	// How many logs have ended so.
	Recorded, AlreadyRecorded, RequestIDReused, Invalid int64
	// Trouble is why logs are being sent again, while they are; or nil.
	Trouble error
}

// Logs is how many logs are done.
func (p Progress) Logs() int64 { return p.Recorded + p.AlreadyRecorded + p.Rejected() }

// Rejected is how many of them were not recorded.
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
				return http.ErrUseLastResponse // what was sent can't be sent twice
			},
		},
	}
}

// Run imports the whole input. It fails if the input can't be read, if the service
// refuses it as a whole, or if it acknowledges nothing for too long; also when ctx
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
	return i.seeThrough(ctx, logs)
}

// Progress returns how far the import is. It may be called while it runs.
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

// rejectUnreadable rejects what is no log to send, and returns the others.
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
