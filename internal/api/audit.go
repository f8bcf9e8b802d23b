package api

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/internal/audit"
)

// AuditRecord is something that was done.
type AuditRecord struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor" example:"key 3 (backend)" doc:"Who did it: by their key or login, or by their address where the service runs without --auth, or the user of the operating system who ran a command."`
	Action  string    `json:"action" example:"rebuild.requested" doc:"What they did. There may be more kinds later."`
	Subject string    `json:"subject" example:"rebuild 7 of everybody" doc:"What they did it to, in words."`
}

// AuditRecords is a page of what was done.
type AuditRecords struct {
	Records    []AuditRecord `json:"records" nullable:"false" doc:"Newest first."`
	NextCursor string        `json:"next_cursor,omitempty" doc:"The cursor of the next page, if there is one."`
}

type auditInput struct {
	Cursor string `query:"cursor" doc:"The next_cursor of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"The most records in a page."`
}

type auditOutput struct {
	Link string `header:"Link" doc:"The next page, if there is one: rel=next."`
	Body AuditRecords
}

func documentListAudit() huma.Operation {
	return huma.Operation{
		OperationID: "list-audit-records",
		Summary:     "What was done by whom?",
		Description: "What operators did, which logs were taken back and which keys were created or revoked; newest first, in pages. " +
			"Kept as long as the service is told (--keep-audit).",
		Tags: []string{tagOperations},
	}
}

func (s *server) listAudit(ctx context.Context, input *auditInput) (*auditOutput, error) {
	var after *audit.Cursor
	if input.Cursor != "" {
		cursor, err := audit.ParseCursor(input.Cursor)
		if err != nil {
			return nil, err
		}
		after = &cursor
	}
	const oneRecord = 2 << 10 // bytes in memory, roughly
	done, err := s.beginRead(ctx, input.Limit*oneRecord)
	if err != nil {
		return nil, err
	}
	defer done()
	page, err := s.Trail.List(ctx, after, input.Limit)
	if err != nil {
		return nil, err
	}
	output := &auditOutput{Body: AuditRecords{Records: make([]AuditRecord, len(page.Records))}}
	for i, r := range page.Records {
		output.Body.Records[i] = AuditRecord{ID: r.ID, At: r.At, Actor: r.Actor, Action: string(r.Action), Subject: r.Subject}
	}
	if page.Next != nil {
		output.Body.NextCursor = page.Next.String()
		parameters := url.Values{"cursor": {output.Body.NextCursor}, "limit": {strconv.Itoa(input.Limit)}}
		output.Link = "</v1/audit?" + parameters.Encode() + `>; rel="next"`
	}
	return output, nil
}
