package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"learninglog/internal/importer"
)

// sendFlags are the flags of the commands that send a file of logs to a service.
type sendFlags struct {
	keyFlags

	URL           serviceURL    `name:"url" env:"LEARNINGLOG_URL" default:"http://127.0.0.1:8080" help:"Where the service is."`
	Rejects       string        `type:"path" placeholder:"FILE" help:"Where to write the logs that are rejected: by default, beside the file. If there are none, a file that is there from an earlier time is removed."`
	RetryFor      time.Duration `default:"1m" help:"How long to go on trying while the service acknowledges nothing."`
	AnswerTimeout time.Duration `default:"30s" help:"How long the service may say nothing to a request before it is sent again: longer than the service's --request-timeout."`
	Quiet         bool          `help:"Show no progress."`
}

// Validate is called by kong.
func (f *sendFlags) Validate() error {
	switch {
	case f.RetryFor < 0:
		return errors.New("--retry-for must not be negative")
	case f.AnswerTimeout <= 0:
		return errors.New("--answer-timeout must be more than 0")
	}
	return nil
}

// wording is how a command names what it does to logs.
type wording struct {
	command  string // such as import
	rejects  string // what is appended to the name of a file for that of its rejects
	done     string // such as imported
	again    string // why it is safe to repeat
	outcomes []outcomeLine
}

// rejectsOf returns where the rejects of a file are written by default. Those of an
// import are kept when the file is voided.
func (w wording) rejectsOf(name string) string {
	if name == standardInput {
		return w.command + ".rejects.ndjson"
	}
	return name + w.rejects
}

// sendFile sends the logs in the file of that name, and reports their outcomes, even if
// it fails. Rejects are written beside the file, or to --rejects.
func (f *sendFlags) sendFile(
	ctx context.Context, stdout io.Writer, name string, words wording,
	open func(stored io.Reader, name string) (*importer.Input, error),
) error {
	key, err := f.read()
	if err != nil {
		return err
	}
	file, size, err := openLogs(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	path := cmp.Or(f.Rejects, words.rejectsOf(name))
	if err := checkRejects(path, file); err != nil {
		return err
	}
	if name == standardInput {
		name = ""
	}
	input, err := open(file, name)
	if err != nil {
		return err
	}
	rejects := importer.NewRejectFile(path)
	progress, err := f.send(ctx, input, size, key, rejects.Write)
	err = errors.Join(err, rejects.Close())
	if err == nil {
		err = rejects.RemoveEarlier()
	}
	return words.report(ctx, stdout, progress, err, path)
}

// send sends an input, whose size is in bytes or -1, with a key, and shows the progress.
func (f *sendFlags) send(
	ctx context.Context, input *importer.Input, size int64, key string, reject func(importer.Reject) error,
) (importer.Progress, error) {
	sender := importer.NewSender(importer.Config{
		Service:       f.URL.url,
		Key:           key,
		Input:         input,
		Reject:        reject,
		RetryFor:      f.RetryFor,
		AnswerTimeout: f.AnswerTimeout,
	})
	stopShowing := f.showProgress(sender, size)
	err := sender.Run(ctx)
	stopShowing()
	return sender.Progress(), err
}

const standardInput = "-"

// openLogs returns a file and its size in bytes, or -1 if the size is unknown.
func openLogs(name string) (*os.File, int64, error) {
	file := os.Stdin
	if name != standardInput {
		var err error
		if file, err = os.Open(name); err != nil {
			return nil, 0, fmt.Errorf("opening the file: %w", err)
		}
	}
	stat, err := file.Stat()
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("opening the file: %w", err)
	case stat.IsDir():
		return nil, 0, fmt.Errorf("%s is a directory", name)
	case !stat.Mode().IsRegular():
		return file, -1, nil
	}
	return file, stat.Size(), nil
}

// checkRejects checks at the start that rejects can be written. It refuses to
// overwrite the input with rejects.
func checkRejects(path string, file *os.File) error {
	input, err := file.Stat()
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if stat, err := os.Stat(dir); err != nil || !stat.IsDir() {
		return fmt.Errorf("there is no directory %s for the rejects: name another file with --rejects", dir)
	}
	rejects, err := os.Stat(path)
	switch {
	case err != nil:
		return nil //nolint:nilerr // there is no such file yet
	case os.SameFile(input, rejects):
		return fmt.Errorf("%s can't be read and take the rejects: name another file with --rejects", path)
	case rejects.IsDir():
		return fmt.Errorf("%s is a directory and can't take the rejects: name a file with --rejects", path)
	}
	return nil
}
