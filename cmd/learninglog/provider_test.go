package main_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The client that the provider knows, and a learner and an operator whom it has.
const (
	clientID, clientSecret = "learninglog", "a client's secret"
	aLearner, anOperator   = "test-user2", "test-user@127.0.0.1"
	theirPassword          = "verysecure"
	learnersClaim          = "learner_id"
	operatorsGroup         = "learninglog-operators"
	learnersSubject        = "id2"
)

// provider is one of OpenID Connect. It is down until it knows where people come from.
type provider struct {
	*storage.Storage

	t      testing.TB
	server *httptest.Server
	isUp   atomic.Bool
	serve  http.Handler
	// learner is who aLearner is here.
	learner uuid.UUID
	key     atomic.Pointer[providersKey]
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{t: t, learner: uuid.New()}
	p.rotate()
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.isUp.Load() {
			panic(http.ErrAbortHandler) // the connection breaks off
		}
		p.serve.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	return p
}

func (p *provider) issuer() string { return p.server.URL }

// flags are those of a service whose people log in here.
func (p *provider) flags(t testing.TB, database string) []string {
	t.Helper()
	return []string{
		"--database-url=" + database, "--auth=oidc,keys", "--oidc-issuer=" + p.issuer(), "--oidc-client-id=" + clientID,
		"--oidc-client-secret-file=" + writeFile(t, "file", clientSecret+"\n"), "--oidc-user-claim=" + learnersClaim,
		"--oidc-operators=groups=" + operatorsGroup,
	}
}

// knows makes the provider know the service that people come from, and starts it.
func (p *provider) knows(s *service) {
	p.t.Helper()
	client := storage.WebClient(clientID, clientSecret, s.base+"/login/callback")
	p.Storage = storage.NewStorageWithClients(storage.NewUserStore(p.issuer()), map[string]*storage.Client{clientID: client})
	p.serve = exampleop.SetupServer(p.issuer(), p, nil, false)
	p.isUp.Store(true)
}

// SetUserinfoFromRequest adds what this provider says of people.
func (p *provider) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, request op.IDTokenRequest, _ []string) error {
	if request.GetSubject() == learnersSubject {
		info.AppendClaims(learnersClaim, p.learner.String())
	} else {
		info.AppendClaims("groups", []string{"staff", operatorsGroup})
	}
	info.Subject = request.GetSubject()
	info.AppendClaims("preferred_username", request.GetSubject()+"@school")
	return nil
}

// rotate makes the provider sign by another key, and know the one before no more.
func (p *provider) rotate() {
	p.t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(p.t, err)
	p.key.Store(&providersKey{id: uuid.NewString(), private: private})
}

// SigningKey is called by the provider's library, and so are the two below.
func (p *provider) SigningKey(context.Context) (op.SigningKey, error) { return p.key.Load(), nil }

// SignatureAlgorithms returns how it signs.
func (p *provider) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

// KeySet returns the public key.
func (p *provider) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{publicKey{p.key.Load()}}, nil
}

type providersKey struct {
	id      string
	private *rsa.PrivateKey
}

func (k *providersKey) ID() string                                  { return k.id }
func (k *providersKey) Key() any                                    { return k.private }
func (k *providersKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

type publicKey struct{ *providersKey }

func (k publicKey) Key() any                           { return k.private.Public() }
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k publicKey) Use() string                        { return "sig" }
