package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"

	"learninglog/internal/importer"
)

type voidCommand struct {
	RequestID []requestID `arg:"" optional:"" help:"The logs of --user, by their request ids."`
	User      userID      `placeholder:"UUID" help:"Whose logs they are."`
	File      string      `placeholder:"FILE" help:"Many logs, as NDJSON or CSV with user_id and request_id; with --user, a list of request ids, one a line. - is standard input. It may be compressed by gzip."`

	sendFlags
}

// requestID is a UUID too, with the same error.
type requestID = userID

// Help is the additional text of --help.
func (*voidCommand) Help() string {
	return `Takes learning logs back: they don't count any more, in any day, week or month, as soon as this is done. Their request ids stay taken, so a late retry of a client doesn't count either. A log that should count after all is posted again with another request id.

  learninglog void --user 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22 6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11
  learninglog void --user 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22 --file ids.txt   those in a list; what follows a # is a comment
  learninglog void --file logs.csv                                              everything in a file that was imported
  jq -c 'select(.word_count > 5000)' logs.ndjson | learninglog void --file -    some of it

Besides user_id and request_id, whatever a file has is ignored. So a file that was imported by mistake can be taken back as it is. That also takes back logs that had been recorded under these ids before the import.

Voiding again is safe: what is voided stays so. If the service restarts meanwhile, the command goes on by itself.

Logs of a file that are unknown, invalid or of another learner than the key are written to FILE.void.rejects.ndjson (void.rejects.ndjson for standard input), each with its line number, what is wrong and its text.

Exits with 0 if every log is voided, now or before, 1 if some were unknown or invalid, 2 if it could not be finished.`
}

// Validate is called by kong.
func (c *voidCommand) Validate() error { return cmp.Or(c.sendFlags.Validate(), c.checkWhich()) }

func (c *voidCommand) checkWhich() error {
	listed, user := len(c.RequestID) > 0, c.hasUser()
	switch {
	case listed && c.File != "":
		return errors.New("the logs are either those of --file or those named here, not both")
	case listed && !user:
		return errors.New("--user must say whose logs these are")
	case listed && c.Rejects != "":
		return errors.New("--rejects is for --file")
	case !listed && c.File == "" && user:
		return errors.New("name the request ids of the logs, or a --file that lists them")
	case !listed && c.File == "":
		return errors.New("name the logs: by --user and their request ids, or by --file")
	default:
		return nil
	}
}

func (c *voidCommand) hasUser() bool { return c.User.UUID != uuid.Nil }

// Run voids the logs and reports their outcomes, even if it fails.
func (c *voidCommand) Run(ctx context.Context, stdout io.Writer) error {
	if c.File != "" {
		return c.sendFile(ctx, stdout, c.File, voiding(), c.open)
	}
	key, err := c.read()
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, id := range c.RequestID {
		_, _ = fmt.Fprintln(&list, id)
	}
	input, err := importer.OpenRequestIDs(strings.NewReader(list.String()), c.User.String())
	if err != nil {
		return err
	}
	var rejects []importer.Reject
	progress, err := c.send(ctx, input, int64(list.Len()), key, func(reject importer.Reject) error {
		rejects = append(rejects, reject)
		return nil
	})
	err = voiding().report(ctx, stdout, progress, err, "")
	for _, reject := range rejects {
		line := []string{reject.Entry, string(reject.Outcome)}
		for _, wrong := range reject.Errors {
			line = append(line, wrong.Message)
		}
		_, _ = fmt.Fprintln(stdout, strings.Join(line, ": "))
	}
	return err
}

// open opens a file of logs, or of request ids if their user is known.
func (c *voidCommand) open(stored io.Reader, name string) (*importer.Input, error) {
	if c.hasUser() {
		return importer.OpenRequestIDs(stored, c.User.String())
	}
	input, err := importer.Open(stored, name, importer.Auto, importer.Voiding())
	if _, ok := errors.AsType[*importer.HeaderError](err); ok {
		err = fmt.Errorf("%w; or say with --user whose logs they are, if it is a list of request ids", err)
	}
	return input, err
}

func voiding() wording {
	return wording{
		command: "void",
		rejects: ".void.rejects.ndjson",
		done:    "voided",
		again:   "voiding it again is safe, and changes nothing more",
		outcomes: []outcomeLine{
			{outcome: importer.Voided, label: "voided", always: true},
			{outcome: importer.AlreadyVoided, label: "already voided", always: true},
			{outcome: importer.Unknown, label: "unknown", always: true},
			{outcome: importer.Erased, label: "of erased learners"},
			{outcome: importer.Forbidden, label: "forbidden"},
			{outcome: importer.Invalid, label: "invalid", always: true},
		},
	}
}
