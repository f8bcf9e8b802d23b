package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"learninglog/internal/audit"
	"learninglog/rollup/rebuild"
)

type eraseCommand struct {
	databaseFlags

	User *userID `xor:"what" placeholder:"UUID" help:"Whom to erase; with --undo, of whom logs are recorded again."`
	From string  `xor:"what" type:"path" placeholder:"FILE" help:"Erase everybody whom a list has, as --list writes it; - is standard input. After an older back-up was restored, this erases again who was erased since."`
	List bool    `xor:"what" help:"List who was erased, as NDJSON."`
	Undo bool    `help:"Take it back that --user was erased: their logs are recorded again, from within ten seconds on. What was deleted stays deleted."`
	Yes  bool    `help:"Don't ask."`
	Wait bool    `help:"Wait until it is done. A running service does the work, or this command if there is none."`
}

// Help is the additional text of --help.
func (*eraseCommand) Help() string {
	return `Deletes everything of a learner for good: logs, totals, sealed days, the keys and sessions of the learner, and the name in what is kept of jobs and of who did what. From a few seconds later on, whatever is posted of the learner is refused (410, erased), so that no device that was offline brings anything back. It is a job in the database, which takes some 25 seconds, so that what was being written meanwhile is deleted too.

  learninglog export --user 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22 --output learner.ndjson    before, if somebody may want it
  learninglog erase --user 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22 --wait
  learninglog erase --undo --user 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22
  learninglog erase --list > erased.ndjson
  learninglog erase --from erased.ndjson --yes --wait             after a restore

Back-ups still have what was deleted since: keep the list with them. Exits with 0 if it was done (or requested, without --wait), or else 2.`
}

// Validate is called by kong.
func (c *eraseCommand) Validate() error {
	switch {
	case c.User == nil && c.From == "" && !c.List:
		return errors.New("say whom to erase with --user or --from, or --list who was")
	case c.Undo && c.User == nil:
		return errors.New("--undo needs --user")
	}
	return c.databaseFlags.Validate()
}

// Run erases users, takes that back, or lists who was erased.
func (c *eraseCommand) Run(ctx context.Context, stdout io.Writer) error {
	if c.List {
		return c.withJobs(ctx, func(jobs audit.Jobs, _ bool) error { return listErased(ctx, jobs, stdout) })
	}
	if c.Undo {
		return c.withJobs(ctx, func(jobs audit.Jobs, _ bool) error { return c.undo(ctx, jobs, stdout) })
	}
	users, err := c.users()
	if err != nil {
		return err
	}
	if err := c.confirm(users); err != nil {
		return err
	}
	return c.withJobs(ctx, func(jobs audit.Jobs, ownServer bool) error { return c.erase(ctx, jobs, users, stdout, ownServer) })
}

// users returns whom to erase.
func (c *eraseCommand) users() ([]uuid.UUID, error) {
	if c.User != nil {
		return []uuid.UUID{c.User.UUID}, nil
	}
	file := os.Stdin
	if c.From != standardInput {
		var err error
		if file, err = os.Open(c.From); err != nil {
			return nil, fmt.Errorf("--from: %w", err)
		}
		defer func() { _ = file.Close() }()
	}
	return readErased(file)
}

// readErased reads a list of erased users.
func readErased(list io.Reader) (users []uuid.UUID, err error) {
	lines := bufio.NewScanner(list)
	number := 1
	for ; lines.Scan(); number++ {
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if text == "" {
			continue
		}
		var line struct {
			UserID uuid.UUID `json:"user_id"`
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.UserID == uuid.Nil {
			return nil, fmt.Errorf("line %d of --from must be one of --list, such as {\"user_id\":%q}, not %.100q", number, exampleUser, text)
		}
		users = append(users, line.UserID)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading line %d of --from: %w", number, err)
	}
	return users, nil
}

// confirm asks a person at a terminal, because what is erased can't be had back. Otherwise
// that must have been said.
func (c *eraseCommand) confirm(users []uuid.UUID) error {
	if c.Yes || len(users) == 0 {
		return nil
	}
	if !isTerminal(os.Stdin) || !isTerminal(os.Stderr) || c.From == standardInput {
		return errors.New("this deletes everything of these learners for good: say --yes")
	}
	whom := users[0].String()
	if len(users) > 1 {
		whom = count(int64(len(users)), "learner")
	}
	_, _ = fmt.Fprintf(os.Stderr, "Everything of %s will be deleted for good. Type yes to go on: ", whom)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	if strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was erased")
	}
	return nil
}

func (c *eraseCommand) erase(ctx context.Context, jobs audit.Jobs, users []uuid.UUID, stdout io.Writer, ownServer bool) error {
	const atOnce = 1000
	var requested rebuild.Requested
	for some := range slices.Chunk(users, atOnce) {
		var err error
		if requested, err = jobs.Erase(ctx, some); err != nil {
			return err
		}
	}
	if len(users) == 0 {
		_, err := fmt.Fprintln(stdout, "The list has nobody.")
		return err
	}
	if !c.Wait {
		_, err := fmt.Fprintf(stdout, "erasure %d of %s is queued: `%s` shows how far it is\n",
			requested.ID, count(int64(len(users)), "user"), c.paste("rebuild", "watch", strconv.FormatInt(requested.ID, 10)))
		if err == nil && ownServer {
			_, err = fmt.Fprintln(stdout, "No service runs: it will be worked when one does, or now with --wait.")
		}
		return err
	}
	for { // the job may have ended just when the users were put on the list
		job, err := c.follow(ctx, jobs.Jobs, requested.ID, ownServer)
		if err != nil {
			return err
		}
		done, err := jobs.AreErased(ctx, users)
		if err != nil {
			return err
		}
		if done {
			return report(stdout, job, "")
		}
		if requested, err = jobs.Jobs.Erase(ctx, nil); err != nil {
			return err
		}
	}
}

func (c *eraseCommand) undo(ctx context.Context, jobs audit.Jobs, stdout io.Writer) error {
	err := jobs.Unerase(ctx, c.User.UUID)
	if errors.Is(err, rebuild.ErrNotErased) {
		return fmt.Errorf("%w: `%s` shows who was", err, c.paste("erase", "--list"))
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, "Logs of this user are recorded again, everywhere within ten seconds. What was deleted stays deleted.")
	return err
}

// listErased writes who was erased, a line each.
func listErased(ctx context.Context, jobs audit.Jobs, stdout io.Writer) error {
	const atOnce = 1000
	lines := json.NewEncoder(stdout)
	for after := uuid.Nil; ; {
		erasures, err := jobs.Erasures(ctx, after, atOnce)
		if err != nil {
			return err
		}
		for _, erasure := range erasures {
			line := struct {
				UserID   uuid.UUID  `json:"user_id"`
				ErasedAt time.Time  `json:"erased_at"`
				DoneAt   *time.Time `json:"done_at,omitempty"`
			}{erasure.UserID, erasure.ErasedAt, erasure.DoneAt}
			if err := lines.Encode(line); err != nil {
				return err
			}
			after = erasure.UserID
		}
		if len(erasures) < atOnce {
			return nil
		}
	}
}
