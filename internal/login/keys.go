package login

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"

	"learninglog/internal/access"
)

// renewKeysEvery is how often the keys are read even if every signature is by one of them,
// because one that was withdrawn must not be good for ever.
const renewKeysEvery = time.Hour

// renewKeys reads the keys that are known. If that fails, they stay known, and the log says so
// once, until it succeeds again.
func (p *Provider) renewKeys(ctx context.Context) {
	known := p.known.Load()
	if known == nil {
		return
	}
	err := renew(ctx, known.keys)
	if err != nil && !p.renewalFailed && ctx.Err() == nil {
		p.config.Logger.WarnContext(ctx, "the provider's keys can't be read again; those that are known stay good, also if they were withdrawn", slog.Any("error", err))
	}
	p.renewalFailed = err != nil
}

// renew reads the keys. RemoteKeySet has no method to refresh, but it fetches the keys to
// verify what is signed by a key id that it doesn't know: so it gets something with an id that
// doesn't exist.
func renew(ctx context.Context, keys *oidc.RemoteKeySet) error {
	header := fmt.Sprintf(`{"alg":"RS256","kid":"%s"}`, rand.Text())
	judged := judgedBy{keys: keys}
	_, _ = judged.VerifySignature(ctx, base64.RawURLEncoding.EncodeToString([]byte(header))+".e30.AA")
	if errors.Is(judged.unread, errSpared) {
		return nil // they were read just now
	}
	return judged.unread
}

// judgedBy is a key set that remembers why a signature couldn't be judged, which the verifier
// doesn't pass on.
type judgedBy struct {
	keys   *oidc.RemoteKeySet
	unread error // why the keys couldn't be read, or nil
}

// VerifySignature is called by the verifier.
func (j *judgedBy) VerifySignature(ctx context.Context, text string) (payload []byte, err error) {
	payload, err = j.keys.VerifySignature(ctx, text)
	j.unread = errors.Unwrap(err) // the set wraps nothing else: neither a wrong signature nor a wrong token
	return payload, err
}

// sparing is a transport that asks the provider only so often: whoever sends tokens that are
// signed by keys which don't exist makes the service read the keys each time.
type sparing struct {
	limit *rate.Limiter

	mu   sync.Mutex
	last error // of what was asked last
}

// errSpared means that what is asked was answered just now.
var errSpared = errors.New("the provider was asked just now")

// newSparing returns a transport that asks once in a while, and a few times at once.
func newSparing(every time.Duration) *sparing {
	const atOnce = 3
	return &sparing{limit: rate.NewLimiter(rate.Every(every), atOnce)}
}

// RoundTrip is called by the client. It fails with [access.ErrProviderAway] if there is no
// good answer, or there was none just now.
func (s *sparing) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.limit.Allow() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.last != nil {
			return nil, s.last
		}
		return nil, errSpared
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && answer.StatusCode >= http.StatusBadRequest {
		_ = answer.Body.Close()
		err = errors.New(answer.Status)
	}
	if err != nil {
		answer, err = nil, fmt.Errorf("%w: %w", access.ErrProviderAway, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = err
	return answer, err
}
