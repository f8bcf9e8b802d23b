package access

import "errors"

// Reason is why credentials are worth nothing. It is for operators: whoever has sent them is
// told the same whatever it is, which is [ErrUnknown].
type Reason string

// The reasons.
const (
	// Malformed is what can't be a key or a token.
	Malformed Reason = "malformed"
	// Unknown is a key that was never given out, or of another service.
	Unknown Reason = "unknown"
	// Expired and Revoked are keys that were known.
	Expired Reason = stateExpired
	Revoked Reason = stateRevoked
	// NoSession is a session that has ended, or never was.
	NoSession Reason = "session"
	// WrongToken is one that the provider hasn't given out for this service, or that has
	// expired.
	WrongToken Reason = "token"
	// FailedLogin is a login at the provider that came to nothing.
	FailedLogin Reason = "login"
	// HeldUp is what wasn't looked at, because too much from its address was worth nothing.
	HeldUp Reason = "held_up"
)

// Reasons returns all of them.
func Reasons() []Reason {
	return []Reason{Malformed, Unknown, Expired, Revoked, NoSession, WrongToken, FailedLogin, HeldUp}
}

// Observer hears of credentials that are worth nothing.
type Observer interface {
	Failed(why Reason)
}

// failure is [ErrUnknown] with a reason, which its text doesn't tell.
type failure struct{ why Reason }

func (failure) Error() string { return ErrUnknown.Error() }

// Unwrap returns what everybody but the observer makes of it.
func (failure) Unwrap() error { return ErrUnknown }

// reasonOf returns why an error means that credentials are worth nothing, or nothing if it
// means something else.
func reasonOf(err error) Reason {
	if failed, ok := errors.AsType[failure](err); ok {
		return failed.why
	}
	if _, ok := errors.AsType[*TooManyFailuresError](err); ok {
		return HeldUp
	}
	if errors.Is(err, ErrUnknown) {
		return Unknown
	}
	return ""
}
