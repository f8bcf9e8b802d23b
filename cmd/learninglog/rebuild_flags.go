package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"learninglog/internal/timerange"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// rebuildFlags select what to rebuild or verify, and how fast.
type rebuildFlags struct {
	User          []userID `placeholder:"UUID" help:"Only this user. It may be repeated."`
	UsersFile     string   `type:"existingfile" placeholder:"FILE" help:"Only the users that a file lists, a UUID a line; - is standard input. What follows a # is a comment. At most ${max_users}: more go in several files, or without any."`
	RecordedSince string   `placeholder:"TIME" help:"Only users of whom a log was recorded, voided or re-zoned at this RFC 3339 date-time or later. A date is its beginning in UTC."`
	From          string   `placeholder:"DATE" help:"Only periods from the one that contains this date on; to re-zone, only logs of this date of UTC or later. A date-time means the date that it shows."`
	To            string   `placeholder:"DATE" help:"Only periods through the one that contains this date; to re-zone, only logs of this date of UTC or earlier."`

	Workers          int `default:"1" help:"On how many connections to work at the same time, at most ${max_workers}."`
	MaxLogsPerSecond int `default:"${rebuild_pace}" help:"How many logs to read in a second, on average, so that a busy database is left to its writers: at least ${min_pace}, or 0, which is as many as it can."`
}

// Validate is called by kong.
func (f *rebuildFlags) Validate() error {
	if f.Workers < 1 || f.Workers > rebuild.MaxWorkers {
		return fmt.Errorf("--workers must be from 1 to %d", rebuild.MaxWorkers)
	}
	if err := rebuild.CheckPace(f.MaxLogsPerSecond); err != nil {
		return fmt.Errorf("--max-logs-per-second %w", err)
	}
	return nil
}

// args returns the flags as the arguments of a job.
func (f *rebuildFlags) args(dryRun bool) (rebuild.Args, error) {
	scope, err := f.scope()
	return rebuild.Args{
		Scope:            scope,
		DryRun:           dryRun,
		Operator:         true,
		Workers:          f.Workers,
		MaxLogsPerSecond: f.MaxLogsPerSecond,
	}, err
}

func (f *rebuildFlags) scope() (scope rebuild.Scope, err error) {
	if scope.Users, err = f.users(); err != nil {
		return rebuild.Scope{}, err
	}
	if scope.RecordedSince, err = parseFlag("recorded-since", f.RecordedSince, timerange.ParseSince); err != nil {
		return rebuild.Scope{}, err
	}
	if scope.From, err = parseFlag("from", f.From, timerange.ParseDate); err != nil {
		return rebuild.Scope{}, err
	}
	if scope.To, err = parseFlag("to", f.To, timerange.ParseDate); err != nil {
		return rebuild.Scope{}, err
	}
	if err := scope.Check(); errors.Is(err, rollup.ErrEmptyRange) {
		return rebuild.Scope{}, errors.New("--from must not be after --to")
	}
	return scope, nil
}

// parseFlag returns the value of a flag, or nil if the flag isn't given.
func parseFlag[T any](name, text string, parse func(string) (T, error)) (*T, error) {
	if text == "" {
		return nil, nil
	}
	value, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("--%s %w, not %q", name, err, text)
	}
	return &value, nil
}

// pasteRepair returns a command line that repairs the scope of the flags.
func (f databaseFlags) pasteRepair(scope rebuildFlags) string {
	arguments := []string{"rebuild", "--wait"}
	for _, user := range scope.User {
		arguments = append(arguments, "--user", user.String())
	}
	for _, flag := range []struct{ name, value string }{
		{"--users-file", scope.UsersFile},
		{"--recorded-since", scope.RecordedSince},
		{"--from", scope.From},
		{"--to", scope.To},
	} {
		if flag.value != "" {
			arguments = append(arguments, flag.name, flag.value)
		}
	}
	return f.paste(arguments...)
}

// flagsOf returns the flags that select a scope. For many users, a person has to
// write a file with the list.
func flagsOf(scope rebuild.Scope) (flags rebuildFlags) {
	const few = 5
	if len(scope.Users) > few {
		flags.UsersFile = "FILE"
	} else {
		for _, user := range scope.Users {
			flags.User = append(flags.User, userID{user})
		}
	}
	if scope.RecordedSince != nil {
		flags.RecordedSince = scope.RecordedSince.Format(time.RFC3339Nano)
	}
	if scope.From != nil {
		flags.From = scope.From.String()
	}
	if scope.To != nil {
		flags.To = scope.To.String()
	}
	return flags
}

// users returns the users in scope. None means all users.
func (f *rebuildFlags) users() (users []uuid.UUID, err error) {
	if f.UsersFile != "" {
		if users, err = readUsersFile(f.UsersFile); err != nil {
			return nil, fmt.Errorf("--users-file: %w", err)
		}
	}
	for _, user := range f.User {
		users = append(users, user.UUID)
	}
	return users, nil
}

// userID is a UUID whose error shows what a UUID looks like.
type userID struct{ uuid.UUID }

// UnmarshalText is called by kong.
func (u *userID) UnmarshalText(text []byte) (err error) {
	if u.UUID, err = uuid.ParseBytes(text); err != nil {
		return fmt.Errorf("must be a UUID such as %s, not %.100q", exampleUser, text)
	}
	return nil
}

const exampleUser = "0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22"

func readUsersFile(name string) ([]uuid.UUID, error) {
	if name == standardInput {
		return readUsers(os.Stdin, "standard input")
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return readUsers(file, name)
}

// readUsers reads a list of users. An empty list is an error, because a scope
// without users would mean all users.
func readUsers(list io.Reader, name string) ([]uuid.UUID, error) {
	users := make(map[uuid.UUID]bool)
	lines := bufio.NewScanner(list)
	number := 0
	for lines.Scan() {
		number++
		text, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "\ufeff"), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		user, err := uuid.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("line %d of %s must be a UUID such as %s, not %.100q", number, name, exampleUser, text)
		}
		if users[user] = true; len(users) > rebuild.MaxUsers {
			return nil, fmt.Errorf("%s lists more than %d users: split it, and rebuild one list after the other, "+
				"or rebuild everybody, without --users-file", name, rebuild.MaxUsers)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d of %s is too long for a UUID", number+1, name)
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", name, err)
	case len(users) == 0:
		return nil, fmt.Errorf("%s lists no user", name)
	}
	return slices.Collect(maps.Keys(users)), nil
}
