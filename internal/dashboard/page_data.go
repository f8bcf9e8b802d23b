package dashboard

import (
	"context"
	"reflect"
	"unsafe"

	"learninglog/learning"
	"learninglog/query"
	"learninglog/rollup"
)

// pageData is what a learner's page is made from.
type pageData struct {
	// today is the date on the learner's clock, and offset is that of this clock.
	today  rollup.Date
	offset rollup.Offset
	// summary is of the range, with the sums of the one before; perDay is of the days
	// of the range, year of the days of the calendar.
	summary, perDay, year query.Summary
	streaks               query.Streaks
	hours                 query.Hours // of the range
	logs                  query.LogsPage
	// noLogs says that the user has no log at all, not even one that was taken back.
	noLogs bool
}

// Equal says whether the same page would be made from both.
func (d pageData) Equal(other pageData) bool {
	return d.today == other.today && d.offset == other.offset && d.summary.Equal(other.summary) &&
		d.perDay.Equal(other.perDay) && d.year.Equal(other.year) && d.hours == other.hours && d.noLogs == other.noLogs &&
		reflect.DeepEqual(d.streaks, other.streaks) && reflect.DeepEqual(d.logs, other.logs)
}

// Size is about how many bytes it takes in memory.
func (d pageData) Size() int {
	return d.summary.Size() + d.perDay.Size() + d.year.Size() +
		int(unsafe.Sizeof(d.hours)) + cap(d.logs.Logs)*int(unsafe.Sizeof(learning.Log{}))
}

// readPageData reads all but the hours and the list of logs from the rollups.
func (p *Pages) readPageData(ctx context.Context, request pageRequest) (d pageData, err error) {
	clock, view := request.clock, request.view
	d.today, d.offset = clock.Today(), rollup.OffsetAt(clock.Now, clock.Zone)
	if err := p.readRange(ctx, request, &d); err != nil {
		return pageData{}, err
	}
	if d.streaks, err = p.Reader.Streaks(ctx, request.userID, clock, nil); err != nil {
		return pageData{}, err
	}
	if d.year, err = p.Reader.Summary(ctx, query.YearRequest(request.userID, request.year)); err != nil {
		return pageData{}, err
	}
	if d.hours, err = p.Reader.Hours(ctx, request.userID, view.first(), view.last()); err != nil {
		return pageData{}, err
	}
	if err := p.readLogs(ctx, request, &d); err != nil {
		return pageData{}, err
	}
	return d, nil
}

// readRange reads the sums of the range and of the one before it.
func (p *Pages) readRange(ctx context.Context, request pageRequest, d *pageData) (err error) {
	view := request.view
	first, last := view.first(), view.last()
	d.summary, err = p.Reader.Summary(ctx, query.SummaryRequest{
		UserID: request.userID, Granularity: view.By, From: &first, To: &last, Compare: true,
	})
	if err != nil {
		return err
	}
	d.perDay = d.summary
	if view.By != rollup.Day {
		d.perDay, err = p.Reader.Summary(ctx, query.SummaryRequest{
			UserID: request.userID, Granularity: rollup.Day, From: &first, To: &last, OnlyWithLogs: true,
		})
	}
	return err
}

// readLogs reads the list of logs, after the streaks.
func (p *Pages) readLogs(ctx context.Context, request pageRequest, d *pageData) (err error) {
	first, last := request.view.first(), request.view.last()
	d.logs, err = p.Reader.Logs(ctx, query.LogsRequest{
		UserID: request.userID, From: &first, To: &last, WithVoided: request.view.WithVoided, After: request.after, Limit: logsPerPage,
	})
	if err != nil || d.streaks.ActiveDays > 0 || len(d.logs.Logs) > 0 {
		return err
	}
	// There may be logs outside the range that streaks leave out: those of tomorrow, and
	// those that were taken back.
	one, err := p.Reader.Logs(ctx, query.LogsRequest{UserID: request.userID, WithVoided: true, Limit: 1})
	d.noLogs = len(one.Logs) == 0
	return err
}
