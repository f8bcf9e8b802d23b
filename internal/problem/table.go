package problem

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"learninglog/command"
	"learninglog/internal/access"
	"learninglog/internal/audit"
	"learninglog/query"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// RetryAfter is the wait that clients are told when the database is unavailable or
// the service is overloaded. It is about the time of a restart.
const RetryAfter = 2 * time.Second

// rebuildsRetryAfter is the wait that clients are told when too many rebuilds wait. They
// take longer than a restart.
const rebuildsRetryAfter = 30 * time.Second

// Busy means that there is no room for the request now.
type Busy struct{ Detail string }

// Error returns what there is too much of.
func (b Busy) Error() string { return b.Detail }

// Table converts errors to problems. Statuses of errors are decided nowhere else.
type Table struct {
	unavailable func(error) bool
	backlog     func() time.Duration
	logger      *slog.Logger
	// trouble limits how often the log says why requests are refused.
	trouble rate.Sometimes
}

// NewTable returns the table. unavailable reports whether an error is temporary, so
// that a retry may succeed. backlog returns about how long it takes to write the
// waiting logs. The logger gets the details that clients must not see.
func NewTable(unavailable func(error) bool, backlog func() time.Duration, logger *slog.Logger) *Table {
	return &Table{unavailable, backlog, logger, rate.Sometimes{Interval: time.Second}}
}

// IsTemporary reports whether an error is temporary, so that a retry may succeed.
func (t *Table) IsTemporary(err error) bool { return t.unavailable(err) }

// Of returns the problem for an error. in says whether the request's wrong fields
// are in its "query" or its "body"; if it is empty, fields have no prefix. An
// unknown error becomes an [Internal] problem, which tells the client nothing; the
// error is logged.
func (t *Table) Of(ctx context.Context, err error, in string) *Problem {
	if problem, ok := errors.AsType[*Problem](err); ok {
		return problem
	}
	if refused, ok := errors.AsType[access.RefusedLogin](err); ok {
		return Unauthenticated.New(refused.Error()).Titled("You aren't logged in")
	}
	if invalid, ok := errors.AsType[*command.InvalidSettingsError](err); ok {
		return Invalid.New("", settingsFields(invalid, in)...)
	}
	if busy, ok := errors.AsType[Busy](err); ok {
		t.logTrouble(ctx, "too much is being done at the same time", err)
		return Unavailable.New(busy.Detail).Later(RetryAfter)
	}
	if failures, ok := errors.AsType[*access.TooManyFailuresError](err); ok {
		return TooManyFailures.New("").Later(failures.After)
	}
	switch { // conditions of the service, not of the request
	case errors.Is(err, command.ErrShareFull):
		t.logTrouble(ctx, "too many logs of a caller wait to be written", err)
		return Unavailable.New("Too many of your logs wait to be written.").Later(t.backlog())
	case errors.Is(err, command.ErrFull):
		t.logTrouble(ctx, "too many logs wait to be written", err)
		return Unavailable.New("Too many logs wait to be written.").Later(t.backlog())
	case errors.Is(err, command.ErrStopped):
		return Unavailable.New("The service is stopping.").Later(RetryAfter)
	case errors.Is(err, rebuild.ErrTooMany):
		t.logTrouble(ctx, "too many rebuilds wait", err)
		return Unavailable.New(fmt.Sprintf("%d rebuilds and re-zones wait or run, and there may be no more. "+
			"Wait until some have ended, or cancel those that wait: by DELETE /v1/rebuilds, or at /admin.",
			rebuild.MaxUnfinished)).Later(rebuildsRetryAfter)
	case errors.Is(err, rebuild.ErrTooManyOfOne):
		return Unavailable.New(fmt.Sprintf("%d rebuilds and re-zones that you have requested wait or run, and there may be no more of yours. "+
			"Wait until some have ended, or cancel some.", rebuild.MaxUnfinishedEach)).Later(rebuildsRetryAfter)
	case errors.Is(err, access.ErrProviderAway):
		t.logTrouble(ctx, "the login provider can't be asked", err)
		return Unavailable.New("The provider where people log in does not answer. Whoever is logged in stays so.").Later(RetryAfter)
	case errors.Is(err, access.ErrNotLookedUp):
		t.logTrouble(ctx, "keys that aren't known are not looked up", err)
		return Unavailable.New("Too many keys that aren't known are being looked up.").Later(RetryAfter)
	case errors.Is(err, context.Canceled):
		return Unavailable.New("The request was cancelled.") // the client is gone
	case errors.Is(err, query.ErrSumTooLarge):
		t.logTrouble(ctx, "rows of the rollup are corrupt: verify and rebuild", err)
		return SumTooLarge.New("The sums of this range don't fit into 64 bits: rows of the rollup may be corrupt. " + repairs)
	case overflows(err):
		t.logTrouble(ctx, "rows of the rollup are corrupt: verify and rebuild", err)
		return Unavailable.New("With this log, a sum would not fit into 64 bits: a row of the rollup may be corrupt. " +
			"Nothing was changed. " + repairs).Later(repairTakes)
	case t.unavailable(err):
		t.logTrouble(ctx, "the database is unavailable", err)
		return Unavailable.New("The database does not answer.").Later(RetryAfter)
	}
	for _, known := range mistakes() {
		if errors.Is(err, known.err) {
			return known.problem(in)
		}
	}
	t.logger.ErrorContext(ctx, "a request failed", slog.Any("error", err), LogID(ctx))
	return Internal.New("")
}

// repairs says what helps against corrupt rows of the rollup, and repairTakes about how
// long a client should wait for it.
const (
	repairs     = "`learninglog verify` finds such rows, and `learninglog rebuild` repairs them."
	repairTakes = time.Minute
)

// overflows reports whether the database refused a statement because a sum would not fit
// into a bigint (numeric_value_out_of_range).
func overflows(err error) bool {
	refused, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err)
	return ok && refused.SQLState() == "22003"
}

// mistakes returns the errors that are the client's mistakes.
func mistakes() []mistake {
	return []mistake{
		{query.ErrNotFound, NotFound, "Nothing is known under this id, or not for this user.", Field{}},
		{command.ErrErased, Erased, "", Field{}},
		{query.ErrBadCursor, Invalid, "", Field{Location: "cursor", Message: "must be the next_cursor of a page, unchanged"}},
		{audit.ErrBadCursor, Invalid, "", Field{Location: "cursor", Message: "must be the next_cursor of a page, unchanged"}},
		{rollup.ErrEmptyRange, Invalid, "", Field{Location: "from", Message: "must not be after to"}},
		{rollup.ErrTooManyPeriods, Invalid, "The range has too many periods.", Field{
			Location: "to",
			Message: fmt.Sprintf("must be at most %d periods after from: ask for a shorter range or a longer granularity",
				query.MaxPeriods),
		}},
		{
			rebuild.ErrNotFound, NotFound,
			"There is no rebuild with this id, or none any more: those that have ended are kept for a day.",
			Field{},
		},
		{
			access.ErrTooManyShareLinks, Conflict,
			fmt.Sprintf("A learner can have %d links at a time. Revoke one first.", access.MaxShareLinks),
			Field{},
		},
		{access.ErrErased, Erased, "", Field{}},
		{rebuild.ErrNotErased, NotFound, "No learner with this id was erased, or it was taken back.", Field{}},
		{rebuild.ErrNoQueue, NotFound, "There is no queue of jobs with this name.", Field{}},
		{rebuild.ErrTooManyUsers, Invalid, "", Field{
			Location: "user_ids",
			Message:  fmt.Sprintf("must be a list of at most %d users, together with user_id", rebuild.MaxUsers),
		}},
	}
}

// settingsFields returns the fields of settings that are wrong.
func settingsFields(invalid *command.InvalidSettingsError, in string) []Field {
	fields := make([]Field, len(invalid.Errors))
	for i, wrong := range invalid.Errors {
		fields[i] = Field{Location: wrong.Field, Message: wrong.Expected, Value: wrong.Value}
		if in != "" {
			fields[i].Location = in + "." + wrong.Field
		}
	}
	return fields
}

// mistake maps an error to its problem.
type mistake struct {
	err    error
	kind   Kind
	detail string
	field  Field // its location is the field's name; may be zero
}

func (m mistake) problem(in string) *Problem {
	if m.field == (Field{}) {
		return m.kind.New(m.detail)
	}
	if in != "" {
		m.field.Location = in + "." + m.field.Location
	}
	return m.kind.New(m.detail, m.field)
}

// logTrouble logs why requests are refused, at most once a second, because tens of
// thousands may fail for the same reason. The others are logged at level debug.
func (t *Table) logTrouble(ctx context.Context, message string, err error) {
	level := slog.LevelDebug
	t.trouble.Do(func() { level = slog.LevelWarn })
	t.logger.LogAttrs(ctx, level, message, slog.Any("error", err), LogID(ctx))
}
