package problem

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"learninglog/command"
	"learninglog/query"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// RetryAfter is what a client is told to wait when the database is away, or when
// there is too much to do. A restart takes about as long.
const RetryAfter = 2 * time.Second

// Table turns errors into problems. It is the one place where errors become statuses.
type Table struct {
	unavailable func(error) bool
	backlog     func() time.Duration
	logger      *slog.Logger
	// trouble says when it is time to log again why requests are turned away.
	trouble rate.Sometimes
}

// NewTable returns the table. unavailable says whether an error passes, so that the
// request may succeed later; backlog about how long it takes to write the logs that
// wait. The logger is told what isn't the client's business.
func NewTable(unavailable func(error) bool, backlog func() time.Duration, logger *slog.Logger) *Table {
	return &Table{unavailable, backlog, logger, rate.Sometimes{Interval: time.Second}}
}

// Passes says whether an error passes: the request may succeed later.
func (t *Table) Passes(err error) bool { return t.unavailable(err) }

// Of returns the problem that an error is. The fields that are wrong are those of the
// request's query or body, as in says; where that is empty they have their name alone.
// What nobody knows becomes an [Internal] one, which tells the client nothing, and is
// logged.
func (t *Table) Of(ctx context.Context, err error, in string) *Problem {
	if problem, ok := errors.AsType[*Problem](err); ok {
		return problem
	}
	switch { // what is wrong on this side
	case errors.Is(err, command.ErrFull):
		t.logTrouble(ctx, "too many logs wait to be written", err)
		return Unavailable.New("Too many logs wait to be written.").Later(t.backlog())
	case errors.Is(err, command.ErrStopped):
		return Unavailable.New("The service is stopping.").Later(RetryAfter)
	case errors.Is(err, context.Canceled):
		return Unavailable.New("The request was cancelled.") // nobody is listening
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

// mistakes are the errors that say what is wrong with a request.
func mistakes() []mistake {
	return []mistake{
		{query.ErrNotFound, NotFound, "Nothing is known under this id, or not for this user.", Field{}},
		{query.ErrBadCursor, Invalid, "", Field{Location: "cursor", Message: "must be the next_cursor of a page, unchanged"}},
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
		{rebuild.ErrTooManyUsers, Invalid, "", Field{
			Location: "user_ids",
			Message:  fmt.Sprintf("must be a list of at most %d users, together with user_id", rebuild.MaxUsers),
		}},
	}
}

// mistake is an error and the problem that it is.
type mistake struct {
	err    error
	kind   Kind
	detail string
	field  Field // with its name as its location; or zero
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

// logTrouble logs why requests are turned away: one of them a second, as there may
// be tens of thousands with the same to say. The others are for the level debug.
func (t *Table) logTrouble(ctx context.Context, message string, err error) {
	level := slog.LevelDebug
	t.trouble.Do(func() { level = slog.LevelWarn })
	t.logger.LogAttrs(ctx, level, message, slog.Any("error", err), LogID(ctx))
}
