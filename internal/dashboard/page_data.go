package dashboard

import (
	"context"
	"reflect"
	"slices"
	"unsafe"

	"learninglog/learning"
	"learninglog/query"
	"learninglog/rollup"
)

// pageData is what a learner's page is made from.
type pageData struct {
	// today is the date on the learner's clock, and offset is that of this clock.
	today    rollup.Date
	offset   rollup.Offset
	settings learning.Settings
	// days are all of the learner's; hours and logs are of the range.
	days  query.Days
	hours query.Hours
	logs  query.LogsPage
	// noLogs says that the user has no log at all, not even one that was taken back.
	noLogs bool
}

// Equal says whether the same page would be made from both.
func (d pageData) Equal(other pageData) bool {
	return d.today == other.today && d.offset == other.offset && d.settings == other.settings && slices.Equal(d.days, other.days) &&
		d.hours == other.hours && d.noLogs == other.noLogs && reflect.DeepEqual(d.logs, other.logs)
}

// Size is about how many bytes it takes in memory.
func (d pageData) Size() int {
	return int(unsafe.Sizeof(d)) + cap(d.days)*int(unsafe.Sizeof(query.PeriodSummary{})) +
		cap(d.logs.Logs)*int(unsafe.Sizeof(learning.Log{}))
}

// readPageData reads all but the hours and the list of logs from the rollups.
func (p *Pages) readPageData(ctx context.Context, request pageRequest) (d pageData, err error) {
	clock, first, last := request.learner.Clock, request.view.first(), request.view.last()
	d.today, d.offset = clock.Today(), rollup.OffsetAt(clock.Now, clock.Zone)
	d.settings, d.days = request.learner.Settings, request.learner.Days
	d.hours, d.logs, err = p.Reader.HoursAndLogs(ctx, query.LogsRequest{
		UserID: request.userID, From: &first, To: &last, WithVoided: request.view.WithVoided, After: request.after, Limit: logsPerPage,
	})
	if err != nil {
		return pageData{}, err
	}
	if len(d.days) == 0 && len(d.logs.Logs) == 0 {
		d.noLogs, err = p.hasNoLogs(ctx, request)
	}
	return d, err
}

// hasNoLogs looks for logs that are in no day: those that were taken back.
func (p *Pages) hasNoLogs(ctx context.Context, request pageRequest) (bool, error) {
	one, err := p.Reader.Logs(ctx, query.LogsRequest{UserID: request.userID, WithVoided: true, Limit: 1})
	return len(one.Logs) == 0, err
}
