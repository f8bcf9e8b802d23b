package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"learninglog/internal/access"
	"learninglog/internal/dashboard"
	"learninglog/internal/login"
)

// secretVariable has the client's secret. It is no flag, because others on the machine may
// see those.
const secretVariable = "LEARNINGLOG_OIDC_CLIENT_SECRET" //nolint:gosec // its name

// loginFlags say where people log in.
type loginFlags struct {
	PublicURL            string      `name:"public-url" env:"LEARNINGLOG_PUBLIC_URL" placeholder:"URL" help:"Where people reach the service, such as https://learn.example.com. Its host is allowed by itself. Without it, http:// and the address of --addr, if that is one of this machine."`
	OIDCIssuer           string      `name:"oidc-issuer" env:"LEARNINGLOG_OIDC_ISSUER" placeholder:"URL" help:"For --auth=oidc: the provider of OpenID Connect where people log in, exactly as it calls itself, such as https://login.example.com/realms/school."`
	OIDCClientID         string      `name:"oidc-client-id" env:"LEARNINGLOG_OIDC_CLIENT_ID" placeholder:"ID" help:"By which the provider knows this service."`
	OIDCClientSecretFile string      `name:"oidc-client-secret-file" env:"LEARNINGLOG_OIDC_CLIENT_SECRET_FILE" type:"path" placeholder:"FILE" help:"The file that has the client's secret, if it has one. LEARNINGLOG_OIDC_CLIENT_SECRET may have it instead."`
	OIDCScopes           []string    `name:"oidc-scopes" env:"LEARNINGLOG_OIDC_SCOPES" default:"openid,profile,email" help:"What the provider is asked to tell of people, joined by commas. openid must be one of them."`
	OIDCUserClaim        string      `name:"oidc-user-claim" env:"LEARNINGLOG_OIDC_USER_CLAIM" placeholder:"CLAIM" help:"The claim that has a learner's user id, a UUID. Without it, the id is the UUIDv5 of the subject, in the namespace that is the UUIDv5 of the issuer's URL."`
	OIDCOperators        login.Claim `name:"oidc-operators" env:"LEARNINGLOG_OIDC_OPERATORS" placeholder:"CLAIM=VALUE" help:"The claim that operators have, who may do everything, such as groups=learninglog-operators. Everybody else is a learner, and has their own logs alone."`
	OIDCAudience         string      `name:"oidc-audience" env:"LEARNINGLOG_OIDC_AUDIENCE" placeholder:"NAME" help:"For whom the provider's tokens must be that the API accepts. Without it, they are ID tokens of this client."`
}

// check returns an error if people can't log in so.
func (f *loginFlags) check(isOn bool, address string) error {
	if f.PublicURL != "" {
		if err := checkPublicURL(f.PublicURL); err != nil {
			return err
		}
	}
	switch {
	case !isOn && f.OIDCIssuer != "":
		return errors.New("--oidc-issuer is where people log in, and nobody does without --auth=oidc: add that, or leave both out")
	case !isOn:
		return nil
	case f.OIDCIssuer == "":
		return errors.New("--auth=oidc needs --oidc-issuer: the URL of the provider where people log in")
	case f.OIDCClientID == "":
		return errors.New("--auth=oidc needs --oidc-client-id: register this service with the provider, which then gives it one")
	case f.PublicURL == "" && (!isLoopback(address) || isSocket(address)):
		return fmt.Errorf("--auth=oidc needs --public-url, such as https://learn.example.com: the provider leads people back there, to %s", callbackPath)
	}
	if !slices.Contains(f.OIDCScopes, "openid") {
		return errors.New("--oidc-scopes must have openid: without it, the provider doesn't say who somebody is")
	}
	if err := checkWebURL(f.OIDCIssuer); err != nil {
		return fmt.Errorf("--oidc-issuer %w", err)
	}
	_, err := f.secret()
	return err
}

// callbackPath is where the provider leads people back.
const callbackPath = "/login/callback"

// checkPublicURL returns an error if the value of --public-url is wrong.
func checkPublicURL(text string) error {
	if err := checkWebURL(text); err != nil {
		return fmt.Errorf("--public-url %w", err)
	}
	if parsed, _ := url.Parse(text); strings.Trim(parsed.Path, "/") != "" {
		return errors.New("--public-url must be without a path, such as https://learn.example.com: the service needs a host name of its own")
	}
	return nil
}

// checkWebURL returns an error that says what a URL must be to which secrets are sent.
func checkWebURL(text string) error {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" ||
		parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" {
		return errors.New("must be a URL such as https://learn.example.com")
	}
	if parsed.Scheme == "http" && !isLoopback(net.JoinHostPort(parsed.Hostname(), "0")) {
		return errors.New("must begin with https://: otherwise whoever is on the way can log in as somebody else")
	}
	return nil
}

// secret returns the client's secret, or nothing if it has none.
func (f *loginFlags) secret() (string, error) {
	given := os.Getenv(secretVariable)
	if f.OIDCClientSecretFile == "" {
		return given, nil
	}
	if given != "" {
		return "", errors.New("the client's secret is in --oidc-client-secret-file or in " + secretVariable + ", not in both")
	}
	text, err := os.ReadFile(f.OIDCClientSecretFile)
	if err != nil {
		return "", fmt.Errorf("--oidc-client-secret-file can't be read: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("--oidc-client-secret-file %s is empty: write the client's secret into it", f.OIDCClientSecretFile)
	}
	return secret, nil
}

// publicURL returns where people reach a service that listens on an address.
func (f *loginFlags) publicURL(address net.Addr) string {
	return strings.TrimSuffix(cmp.Or(f.PublicURL, "http://"+reachable(address)), "/")
}

// isSecure reports whether people reach the service by https.
func (f *loginFlags) isSecure() bool { return strings.HasPrefix(f.PublicURL, "https://") }

// allowedHosts returns the host names by which the service may be asked for.
func (c *serveCommand) allowedHosts() []string {
	parsed, err := url.Parse(c.PublicURL)
	if err != nil || parsed.Hostname() == "" {
		return c.AllowedHosts
	}
	return append([]string{parsed.Hostname()}, c.AllowedHosts...)
}

// newProvider returns the provider where people log in.
func (s *service) newProvider() (*login.Provider, error) {
	secret, err := s.flags.secret()
	if err != nil {
		return nil, err
	}
	return login.New(login.Config{
		Issuer:      s.flags.OIDCIssuer,
		ClientID:    s.flags.OIDCClientID,
		Secret:      secret,
		RedirectURL: s.flags.publicURL(s.listener.Addr()) + callbackPath,
		Scopes:      s.flags.OIDCScopes,
		UserClaim:   s.flags.OIDCUserClaim,
		Operators:   s.flags.OIDCOperators,
		Audience:    s.flags.OIDCAudience,
		Logger:      s.logger,
	}), nil
}

// observedLogins is a provider whose observer hears of the logins that came to nothing.
type observedLogins struct {
	dashboard.Provider

	observer access.Observer
}

// Finish is called by the pages.
func (o observedLogins) Finish(ctx context.Context, kept string, sent url.Values) (access.Person, string, error) {
	person, next, err := o.Provider.Finish(ctx, kept, sent)
	if _, refused := errors.AsType[access.RefusedLogin](err); refused {
		o.observer.Failed(access.FailedLogin)
	}
	return person, next, err
}
