// Package importer sends the learning logs in a file to a running service, which records
// or voids them, until each of them has an outcome. It sends logs that the service
// doesn't acknowledge again, even after a restart of the service. That is safe, because
// the service counts every log once, and voids it once.
//
// Start with [Open] and [NewSender].
package importer

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Config configures a [Sender].
type Config struct {
	// Service is the base URL of the service.
	Service *url.URL
	// Key is shown to the service with every request. Empty is no key.
	Key   string
	Input *Input
	// Reject is called with each log that can't be recorded or voided, such as an invalid
	// one. If it returns an error, Run fails.
	Reject func(Reject) error
	// RetryFor is how long Run continues while the service acknowledges nothing. Then
	// it fails with a [*GaveUpError].
	RetryFor time.Duration
	// AnswerTimeout is how long the service may send nothing before a request is
	// complete. Then the request is sent again. It should be longer than the service
	// waits for its database. Default: [DefaultAnswerTimeout].
	AnswerTimeout time.Duration
}

// DefaultAnswerTimeout is twice as long as a service waits for its database by
// default.
const DefaultAnswerTimeout = 30 * time.Second

// Sender sends one input.
type Sender struct {
	config   Config
	endpoint string
	// sealedDays is the endpoint for sealed days.
	sealedDays string
	client     *http.Client

	mu       sync.Mutex
	progress Progress
}

// Progress is how far a sender has come.
type Progress struct {
	// Bytes is how much of the stored (perhaps compressed) input has been processed.
	Bytes int64
	// Outcomes are the numbers of logs by outcome.
	Outcomes map[Outcome]int64
	// Settings is how often settings of a learner were set. They are no logs.
	Settings int64
	// Trouble is the reason why logs are currently being sent again, or nil.
	Trouble error
}

// Logs returns the number of logs that have an outcome.
func (p Progress) Logs() (logs int64) {
	for _, n := range p.Outcomes {
		logs += n
	}
	return logs
}

// Rejected returns the number of logs that were passed to Config.Reject.
func (p Progress) Rejected() (logs int64) {
	for outcome, n := range p.Outcomes {
		if outcome.isReject() {
			logs += n
		}
	}
	return logs
}

// NewSender returns a sender.
func NewSender(config Config) *Sender {
	config.AnswerTimeout = cmp.Or(config.AnswerTimeout, DefaultAnswerTimeout)
	return &Sender{
		config:     config,
		endpoint:   config.Service.JoinPath(config.Input.action.path).String(),
		sealedDays: config.Service.JoinPath(config.Input.action.sealedDaysPath).String(),
		progress:   Progress{Outcomes: make(map[Outcome]int64)},
		client: &http.Client{
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse // the body can't be sent a second time
			},
		},
	}
}

// Run sends the whole input. It fails if the input can't be read, if the service
// refuses it as a whole, with [ErrKeyNeeded] or [ErrScopeNeeded] for lack of a key, if the service acknowledges nothing for too long, or if ctx
// ends.
func (s *Sender) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer s.client.CloseIdleConnections()
	for blocks := s.config.Input.blocks(ctx); ; {
		select {
		case next := <-blocks:
			if err := s.sendBlock(ctx, next); err != nil {
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

func (s *Sender) sendBlock(ctx context.Context, b block) error {
	logs, err := s.rejectUnreadable(b.logs)
	if err != nil {
		return err
	}
	// Sealed days come first, as in an export: they are refused where there are logs that may
	// be those that they are made of.
	divided := divide(logs)
	for some := range slices.Chunk(divided[aSealedDay], maxSealedDays) {
		if err := s.sendAll(ctx, s.sender(s.sealedDays), some); err != nil {
			return err
		}
	}
	if err := s.sendAll(ctx, s.sendSettings, divided[someSettings]); err != nil {
		return err
	}
	return s.sendAll(ctx, s.sender(s.endpoint), divided[aLog])
}

// Progress returns the progress. It may be called during Run.
func (s *Sender) Progress() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	progress := s.progress
	progress.Outcomes = maps.Clone(progress.Outcomes)
	return progress
}

func (s *Sender) update(change func(*Progress)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.progress)
}

// rejectUnreadable rejects logs that could not be decoded, and returns the others.
func (s *Sender) rejectUnreadable(all []inputLog) (logs []inputLog, err error) {
	for _, log := range all {
		if log.wrong == nil {
			logs = append(logs, log)
			continue
		}
		if err := s.settle(log, outcomeLine{Outcome: Invalid, Errors: log.wrong}); err != nil {
			return nil, err
		}
	}
	return logs, nil
}
