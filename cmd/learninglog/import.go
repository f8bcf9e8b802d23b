package main

import (
	"context"
	"io"

	"learninglog/internal/importer"
)

type importCommand struct {
	sendFlags

	File           string `arg:"" help:"The file, or - for standard input. It may be compressed by gzip."`
	EmptyTimestamp string `enum:"reject,now" default:"reject" help:"What becomes of a log whose timestamp is empty (in JSON, null or an empty string): reject, or now, which lets it count today."`
	Format         string `enum:"auto,ndjson,csv" default:"auto" help:"How logs are written: ndjson, csv, or auto, which goes by the name of the file and then by how it begins."`
}

// Help is the additional text of --help.
func (*importCommand) Help() string {
	return `NDJSON is one log a line, as it is posted:

  {"request_id":"6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11","user_id":"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22","word_count":12,"timestamp":"2026-01-14T08:30:00Z"}

CSV has a header that names these columns, in any order. The column timestamp may be left out of the file: then all of its logs count today. Where it is there, each row must have one, unless --empty-timestamp now says that the others count today. There may also be time_zone or utc_offset, which say where the learner's clock was, replaces, the request id of a log that is taken back for this one, and voided_at, when the log was taken back where it comes from. offset_given=false says that the offset isn't what the client said.

What learninglog export has written is taken too, also several of these one after the other: its settings, which replace those that are there, its sealed days, for which a key needs the scope rebuilds, and its logs. Of a learner import only the latest export: an older one may have logs of days that were sealed since, and the service counts them besides unless it refuses logs that old.

Importing again is safe: every log is counted once, however often it is imported, and never again once it was taken back. If the service restarts meanwhile, the import goes on by itself.

Logs that are invalid, that are older than the service takes, whose request id belongs to another log, which replace a log that doesn't count, which are of a learner who was erased, or of another learner than the key, are written to FILE.rejects.ndjson (import.rejects.ndjson for standard input), each with its line number, what is wrong and its text (jq -r .entry shows that alone), to be mended and imported again. So are settings of an export that are invalid, and the first line of an export of which something is missing. They are in the order in which they were found, which need not be that of the lines.

Exits with 0 if every log is recorded, even if it was taken back since, 1 if some were rejected, 2 if it could not be finished.`
}

// Run imports the file and reports the outcomes of its logs, even if it fails.
func (c *importCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.sendFile(ctx, stdout, c.File, importing(), func(stored io.Reader, name string) (*importer.Input, error) {
		return importer.Open(stored, name, importer.Format(c.Format), importer.Recording(importer.EmptyTimestamp(c.EmptyTimestamp)))
	})
}

func importing() wording {
	return wording{
		command: "import",
		rejects: ".rejects.ndjson",
		done:    "imported",
		again:   "importing it again is safe, and counts nothing twice",
		outcomes: []outcomeLine{
			{outcome: importer.Recorded, label: "recorded", always: true},
			{outcome: importer.AlreadyRecorded, label: "already recorded", always: true},
			{outcome: importer.Voided, label: "taken back since"},
			{outcome: importer.RequestIDReused, label: "request id reused", always: true},
			{outcome: importer.ReplacedUnknown, label: "replaced unknown"},
			{outcome: importer.Conflict, label: "sealed days that conflict"},
			{outcome: importer.Erased, label: "of erased learners"},
			{outcome: importer.TooOld, label: "too old"},
			{outcome: importer.Forbidden, label: "forbidden"},
			{outcome: importer.Invalid, label: "invalid", always: true},
		},
	}
}
