package query

import (
	"context"

	"github.com/google/uuid"

	"learninglog/internal/retry"
	"learninglog/rollup"
)

// Days returns the days that [Reader.Learner] does, for the tests.
func (r *Reader) Days(ctx context.Context, userID uuid.UUID) (Days, error) {
	return retry.Read(ctx, r.at(userID), collectDays, daysSQL, userID)
}

// Hours returns the hours that [Reader.HoursAndLogs] does, for the tests.
func (r *Reader) Hours(ctx context.Context, userID uuid.UUID, from, to rollup.Date) (Hours, error) {
	return retry.Read(ctx, r.at(userID), collectHours, hoursSQL, hoursArguments(userID, from, to)...)
}
