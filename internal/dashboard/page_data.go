package dashboard

import (
	"context"
	"reflect"
	"time"
	"unsafe"

	"learninglog/learning"
	"learninglog/query"
	"learninglog/rollup"
)

// pageData is what a learner's page is made from.
type pageData struct {
	// today is the start of the day on which it was read.
	today time.Time
	// summary is of the range, before of as many periods before it, perDay of the days
	// of the range, year of the days of the calendar.
	summary, before, perDay, year query.Summary
	streaks                       query.Streaks
	logs                          query.LogsPage
	// noLogs says that the user has no log at all.
	noLogs bool
}

// Equal says whether the same page would be made from both.
func (d pageData) Equal(other pageData) bool {
	return d.today.Equal(other.today) && d.summary.Equal(other.summary) && d.before.Equal(other.before) &&
		d.perDay.Equal(other.perDay) && d.year.Equal(other.year) && d.noLogs == other.noLogs &&
		reflect.DeepEqual(d.streaks, other.streaks) && reflect.DeepEqual(d.logs, other.logs)
}

// Size is about how many bytes it takes in memory.
func (d pageData) Size() int {
	return d.summary.Size() + d.before.Size() + d.perDay.Size() + d.year.Size() +
		cap(d.logs.Logs)*int(unsafe.Sizeof(learning.Log{}))
}

// readPageData reads all but the list of logs from the rollups.
func (p *Pages) readPageData(ctx context.Context, request pageRequest) (d pageData, err error) {
	d.today = rollup.Day.StartOf(request.now, p.Zone)
	summary := query.SummaryRequest{
		UserID: request.userID, Granularity: request.view.By, From: request.view.From, To: request.view.To, Zone: p.Zone,
	}
	if d.summary, err = p.Reader.Summary(ctx, summary); err != nil {
		return pageData{}, err
	}
	summary.From, summary.To = request.view.before()
	if d.before, err = p.Reader.Summary(ctx, summary); err != nil {
		return pageData{}, err
	}
	start, end := request.view.bounds()
	d.perDay = d.summary
	if request.view.By != rollup.Day {
		d.perDay, err = p.Reader.Summary(ctx, query.SummaryRequest{
			UserID: request.userID, Granularity: rollup.Day, From: start, To: end.Add(-time.Microsecond), Zone: p.Zone,
			OnlyWithLogs: true,
		})
		if err != nil {
			return pageData{}, err
		}
	}
	if d.streaks, err = p.Reader.Streaks(ctx, request.userID, request.now, p.Zone); err != nil {
		return pageData{}, err
	}
	if d.year, err = p.Reader.Summary(ctx, query.YearRequest(request.userID, request.year, p.Zone)); err != nil {
		return pageData{}, err
	}
	d.logs, err = p.Reader.Logs(ctx, query.LogsRequest{
		UserID: request.userID, From: &start, Until: &end, After: request.after, Limit: logsPerPage,
	})
	if err != nil {
		return pageData{}, err
	}
	if d.streaks.ActiveDays == 0 && len(d.logs.Logs) == 0 {
		// There may be logs outside the range that streaks leave out: of tomorrow.
		one, err := p.Reader.Logs(ctx, query.LogsRequest{UserID: request.userID, Limit: 1})
		if err != nil {
			return pageData{}, err
		}
		d.noLogs = len(one.Logs) == 0
	}
	return d, nil
}
