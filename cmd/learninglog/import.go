package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"learninglog/internal/importer"
)

type importCommand struct {
	File          string        `arg:"" help:"The file, or - for standard input. It may be compressed by gzip."`
	URL           serviceURL    `name:"url" env:"LEARNINGLOG_URL" default:"http://127.0.0.1:8080" help:"Where the service is."`
	Format        string        `enum:"auto,ndjson,csv" default:"auto" help:"How logs are written: ndjson, csv, or auto, which goes by the name of the file and then by how it begins."`
	Rejects       string        `type:"path" placeholder:"FILE" help:"Where to write the logs that are not recorded: by default, beside the file. If there are none, a file that is there from an earlier import is removed."`
	RetryFor      time.Duration `default:"1m" help:"How long to go on trying while the service acknowledges nothing."`
	AnswerTimeout time.Duration `default:"30s" help:"How long the service may say nothing to a request before it is sent again: longer than the service's --request-timeout."`
	Quiet         bool          `help:"Show no progress."`
}

// Help is the additional text of --help.
func (*importCommand) Help() string {
	return `NDJSON is one log a line, as it is posted:

  {"request_id":"6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11","user_id":"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22","word_count":12,"timestamp":"2026-01-14T08:30:00Z"}

CSV has a header that names these columns, in any order. The timestamp may be left out.

Importing again is safe: every log is counted once, however often it is imported. If the service restarts meanwhile, the import goes on by itself.

Logs that are invalid, or whose request id belongs to another log, are written to FILE.rejects.ndjson (import.rejects.ndjson for standard input), each with its line number, what is wrong and its text (jq -r .entry shows that alone), to be mended and imported again.

Exits with 0 if every log is recorded, 1 if some were rejected, 2 if it could not be finished.`
}

// Validate is called by kong.
func (c *importCommand) Validate() error {
	switch {
	case c.RetryFor < 0:
		return errors.New("--retry-for must not be negative")
	case c.AnswerTimeout <= 0:
		return errors.New("--answer-timeout must be more than 0")
	}
	return nil
}

// Run imports the file and reports the outcomes of its logs, even if it fails.
func (c *importCommand) Run(ctx context.Context, stdout io.Writer) (err error) {
	file, size, err := c.open()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := c.checkRejects(file); err != nil {
		return err
	}
	input, err := importer.Open(file, c.nameOfFile(), importer.Format(c.Format))
	if err != nil {
		return err
	}
	rejects := importer.NewRejectFile(c.rejectsPath())
	imports := importer.New(importer.Config{
		Service:       c.URL.url,
		Input:         input,
		Reject:        rejects.Write,
		RetryFor:      c.RetryFor,
		AnswerTimeout: c.AnswerTimeout,
	})

	stopShowing := c.showProgress(imports, size)
	err = errors.Join(imports.Run(ctx), rejects.Close())
	if err == nil {
		err = rejects.RemoveEarlier()
	}
	stopShowing()
	progress := imports.Progress()
	if err := reportImport(stdout, progress, err == nil, c.rejectsPath()); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("stopped before the end: importing it again is safe, and counts nothing twice")
	case err != nil:
		return fmt.Errorf("the import is not finished: %w; importing it again is safe, and counts nothing twice", err)
	case progress.Rejected() > 0:
		return errRejects
	}
	return nil
}

const standardInput = "-"

// open returns the file and its size in bytes, or -1 if the size is unknown.
func (c *importCommand) open() (*os.File, int64, error) {
	file := os.Stdin
	if c.File != standardInput {
		var err error
		if file, err = os.Open(c.File); err != nil {
			return nil, 0, fmt.Errorf("opening the file: %w", err)
		}
	}
	stat, err := file.Stat()
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("opening the file: %w", err)
	case stat.IsDir():
		return nil, 0, fmt.Errorf("%s is a directory", c.File)
	case !stat.Mode().IsRegular():
		return file, -1, nil
	}
	return file, stat.Size(), nil
}

// checkRejects checks at the start that rejects can be written. It refuses to
// overwrite the input with rejects.
func (c *importCommand) checkRejects(file *os.File) error {
	input, err := file.Stat()
	if err != nil {
		return err
	}
	dir := filepath.Dir(c.rejectsPath())
	if stat, err := os.Stat(dir); err != nil || !stat.IsDir() {
		return fmt.Errorf("there is no directory %s for the rejects: name another file with --rejects", dir)
	}
	rejects, err := os.Stat(c.rejectsPath())
	switch {
	case err != nil:
		return nil //nolint:nilerr // there is no such file yet
	case os.SameFile(input, rejects):
		return fmt.Errorf("%s can't be imported and take the rejects: name another file with --rejects", c.rejectsPath())
	case rejects.IsDir():
		return fmt.Errorf("%s is a directory and can't take the rejects: name a file with --rejects", c.rejectsPath())
	}
	return nil
}

func (c *importCommand) nameOfFile() string {
	if c.File == standardInput {
		return ""
	}
	return c.File
}

func (c *importCommand) rejectsPath() string {
	switch {
	case c.Rejects != "":
		return c.Rejects
	case c.File == standardInput:
		return "import.rejects.ndjson"
	default:
		return c.File + ".rejects.ndjson"
	}
}
