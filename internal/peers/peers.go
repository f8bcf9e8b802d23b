// Package peers tells the replicas of a service which logs the others have recorded,
// through Redis. So a log that is sent again to another replica is recognised there too.
//
// Begin with [New]; [Peers.Run] connects, and [Peers.Tell] tells the others. Nothing is
// kept in Redis, and nobody waits for it: while it is away, slow or full, replicas know
// only what they have recorded themselves. What is heard may be wrong, so it must not be
// believed, only looked up.
package peers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/redis/rueidis"
	"golang.org/x/sync/errgroup"
)

const (
	// channel is where the replicas publish. Its number is that of the format of messages:
	// eight bytes that name the sender, and eight for each log.
	channel = "learninglog:recorded:1"
	number  = 8 // bytes of a number in a message
	// maxPending is how many logs may wait to be told to the others: 512 KiB.
	maxPending = 64 << 10
	// gather is how long logs are gathered for a message, so that there are few messages.
	gather = 5 * time.Millisecond
	// timeout is how long Redis may take, for whatever it is.
	timeout = time.Second
	// pause is how long it is left alone after a failure.
	pause = time.Second
	// buffer is the size of what is read or written at once.
	buffer = 64 << 10
)

// Observer is notified of what the replicas tell each other.
type Observer interface {
	// Told is called with a number of logs that were told to the others, Heard with one
	// that others told, and Dropped with one that the others will not know.
	Told(logs int)
	Heard(logs int)
	Dropped(logs int)
	// Failed is called whenever Redis fails. Slow says that it takes too long.
	Failed(slow bool)
}

// Peers are the other replicas.
type Peers struct {
	options  rueidis.ClientOption
	observer Observer
	logger   *slog.Logger
	self     uint64 // by which a replica knows its own messages

	mu      sync.Mutex
	pending []uint64
	more    chan struct{} // has a value while there are some
}

// New returns the other replicas that use the same Redis. The URL is redis://, rediss://
// (with TLS) or unix://; see [rueidis.ParseURL].
func New(url string, observer Observer, logger *slog.Logger) (*Peers, error) {
	options, err := parse(url)
	if err != nil {
		return nil, err
	}
	return &Peers{
		options: options, observer: observer, logger: logger, self: rand.Uint64(), //nolint:gosec // not a secret
		more: make(chan struct{}, 1),
	}, nil
}

// CheckURL returns nil if [New] can use the URL, or an error that says what it must be. It
// doesn't connect. The error never contains any part of the URL.
func CheckURL(url string) error {
	_, err := parse(url)
	return err
}

func parse(url string) (rueidis.ClientOption, error) {
	options, err := rueidis.ParseURL(url)
	if err != nil {
		return options, errors.New("the Redis URL must be like redis://user:password@host:6379, " +
			"rediss://… for TLS, or unix:///path/of/redis.sock; special characters in a password are written as %2F")
	}
	options.Dialer.Timeout, options.ConnWriteTimeout = timeout, timeout
	options.ReadBufferEachConn, options.WriteBufferEachConn = buffer, buffer
	options.PipelineMultiplex = -1 // one connection
	options.DisableCache, options.DisableRetry, options.AlwaysPipelining = true, true, true
	return options, nil
}

// Tell tells the other replicas that logs are recorded, by their fingerprints. It never
// waits: if Redis can't keep up, the others don't hear of these logs.
func (p *Peers) Tell(recorded []uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending)+len(recorded) > maxPending {
		p.observer.Dropped(len(recorded))
		return
	}
	p.pending = append(p.pending, recorded...)
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// Run tells and hears until ctx ends. hear is called with the fingerprints of logs that
// another replica has recorded.
func (p *Peers) Run(ctx context.Context, hear func(recorded []uint64)) {
	for away := false; ; {
		connected := func() {
			p.logger.InfoContext(ctx, "Redis is connected: replicas tell each other which logs they have recorded")
			away = false
		}
		err := p.connect(ctx, hear, connected)
		if ctx.Err() != nil {
			return
		}
		p.observer.Failed(slow(err))
		if !away {
			p.logger.WarnContext(ctx, "Redis is away: until it is back, logs that are sent again to another replica take longer",
				slog.Any("error", err))
			away = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func slow(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// connect tells and hears until something fails.
func (p *Peers) connect(ctx context.Context, hear func([]uint64), connected func()) error {
	client, err := rueidis.NewClient(p.options)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer client.Close()
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return p.publish(ctx, client, connected) })
	work.Go(func() error {
		err := client.Receive(ctx, client.B().Subscribe().Channel(channel).Build(), func(message rueidis.PubSubMessage) {
			p.receive(message.Message, hear)
		})
		if err == nil { // Redis has ended the subscription
			err = errors.New("it hears no more")
		}
		return fmt.Errorf("hearing from others: %w", err)
	})
	return work.Wait()
}

// publish tells the others what is pending, and again and again what is new. First it tells
// nothing, to see whether it can.
func (p *Peers) publish(ctx context.Context, client rueidis.Client, connected func()) error {
	for first := true; ; first = false {
		message, logs := p.message()
		within, cancel := context.WithTimeout(ctx, timeout)
		err := client.Do(within, client.B().Publish().Channel(channel).Message(message).Build()).Error()
		cancel()
		if err != nil {
			p.observer.Dropped(logs)
			return fmt.Errorf("telling others: %w", err)
		}
		p.observer.Told(logs)
		if first {
			connected()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.more:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(gather):
		}
	}
}

// message takes what is pending, and returns it as a message.
func (p *Peers) message() (message string, logs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := make([]byte, 0, number*(1+len(p.pending)))
	text = binary.BigEndian.AppendUint64(text, p.self)
	for _, log := range p.pending {
		text = binary.BigEndian.AppendUint64(text, log)
	}
	logs = len(p.pending)
	p.pending = p.pending[:0]
	return rueidis.BinaryString(text), logs
}

// receive hears what a message of another replica tells. Others may publish anything.
func (p *Peers) receive(message string, hear func([]uint64)) {
	text := []byte(message)
	if len(text)%number != 0 || len(text) <= number || binary.BigEndian.Uint64(text) == p.self {
		return
	}
	logs := make([]uint64, 0, len(text)/number-1)
	for text = text[number:]; len(text) > 0; text = text[number:] {
		logs = append(logs, binary.BigEndian.Uint64(text))
	}
	p.observer.Heard(len(logs))
	hear(logs)
}
