package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"learninglog/internal/api"
)

type exportCommand struct {
	keyFlags

	URL    serviceURL `name:"url" env:"LEARNINGLOG_URL" default:"http://127.0.0.1:8080" help:"Where the service is."`
	User   userID     `required:"" placeholder:"UUID" help:"Whose logs."`
	Output string     `type:"path" default:"-" placeholder:"FILE" help:"Where to write. It is complete if it is there. - is standard output."`
	Format string     `enum:"ndjson,csv" default:"ndjson" help:"ndjson has everything; csv has the logs alone."`
}

// Help is the additional text of --help.
func (*exportCommand) Help() string {
	return `Takes along everything that a running service knows of a learner, as of one instant: logs (also those that were taken back), sealed days, settings, keys without their secrets, and sessions. learninglog import takes the file back, with the same totals; it doesn't make keys and sessions.

  learninglog export --user 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22 --output learner.ndjson

Where the service asks for keys, this needs one with the scope logs:read. Exits with 0 if it is complete, or else 2.`
}

// Run writes an export.
func (c *exportCommand) Run(ctx context.Context, stdout io.Writer) error {
	if c.Output == standardInput {
		return c.write(ctx, stdout)
	}
	part := c.Output + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("creating the file: %w", err)
	}
	if err := errors.Join(c.write(ctx, file), file.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, c.Output)
}

func (c *exportCommand) write(ctx context.Context, to io.Writer) error {
	key, err := c.read()
	if err != nil {
		return err
	}
	service := remote{c.URL.url.JoinPath("v1/users", c.User.String(), "export").String() + "?format=" + c.Format, key}
	if c.Format == "csv" {
		return service.download(ctx, to)
	}
	export := &exportReader{to: to}
	if err := service.download(ctx, export); err != nil {
		return err
	}
	return export.checkComplete()
}

// exportReader passes on an export, and counts its lines. A proxy that speaks HTTP/1.0 to the
// service can't tell an answer that was broken off from a complete one.
type exportReader struct {
	to    io.Writer
	first []byte // the first line
	lines int64
}

func (r *exportReader) Write(text []byte) (int, error) {
	if r.lines == 0 {
		line, _, _ := bytes.Cut(text, []byte("\n"))
		r.first = append(r.first, line...)
	}
	r.lines += int64(bytes.Count(text, []byte("\n")))
	return r.to.Write(text)
}

// checkComplete returns an error unless there are as many lines as the first one says.
func (r *exportReader) checkComplete() error {
	var begin api.ExportLine
	if json.Unmarshal(r.first, &begin) != nil || begin.Export == nil {
		return errors.New("the answer is not an export: is the URL right?")
	}
	if has := begin.Export; 1+has.Settings+has.Keys+has.Sessions+has.SealedDays+has.Logs != r.lines {
		return errors.New("the export is not complete: something between here and the service has broken it off")
	}
	return nil
}
