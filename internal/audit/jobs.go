package audit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"learninglog/rollup/rebuild"
)

// Jobs are [rebuild.Jobs] that record what is done to them.
type Jobs struct {
	*rebuild.Jobs

	Trail *Trail
}

// Request is that of [rebuild.Jobs]. A request that results in a job that somebody had
// requested before is recorded too: it says so.
func (j Jobs) Request(ctx context.Context, args rebuild.Args) (rebuild.Requested, error) {
	requested, err := j.Jobs.Request(ctx, args)
	if err != nil {
		return rebuild.Requested{}, err
	}
	action := RebuildRequested
	switch {
	case args.IsRezone():
		action = RezoneRequested
	case args.IsPurge():
		action = PurgeRequested
	}
	subject := describe(requested.ID, args)
	if requested.Joined {
		subject += ", which had been requested before"
	}
	j.Trail.Record(ctx, action, subject)
	return requested, nil
}

// Cancel is that of [rebuild.Jobs].
func (j Jobs) Cancel(ctx context.Context, id int64) error {
	job, err := j.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := j.Jobs.Cancel(ctx, id); err != nil {
		return err
	}
	if !job.Ended() { // otherwise nothing was done
		j.Trail.Record(ctx, RebuildCancelled, describe(id, job.Args))
	}
	return nil
}

// CancelWaiting is that of [rebuild.Jobs].
func (j Jobs) CancelWaiting(ctx context.Context) (cancelled int, err error) {
	cancelled, err = j.Jobs.CancelWaiting(ctx) // 0 if it failed
	if cancelled > 0 {
		j.Trail.Record(ctx, RebuildsCancelled, fmt.Sprintf("all that waited: %d", cancelled))
	}
	return cancelled, err
}

// Erase is that of [rebuild.Jobs].
func (j Jobs) Erase(ctx context.Context, users []uuid.UUID) (rebuild.Requested, error) {
	requested, err := j.Jobs.Erase(ctx, users)
	if err != nil {
		return rebuild.Requested{}, err
	}
	subject := fmt.Sprintf("%d users", len(users))
	if len(users) == 1 {
		subject = "user " + users[0].String()
	}
	j.Trail.Record(ctx, UserErased, subject)
	return requested, nil
}

// Unerase is that of [rebuild.Jobs].
func (j Jobs) Unerase(ctx context.Context, user uuid.UUID) error {
	if err := j.Jobs.Unerase(ctx, user); err != nil {
		return err
	}
	j.Trail.Record(ctx, UserUnerased, "user "+user.String())
	return nil
}

// RestoreSealedDays is that of [rebuild.Jobs].
func (j Jobs) RestoreSealedDays(ctx context.Context, days []rebuild.SealedDay) ([]rebuild.SealedDayOutcome, error) {
	outcomes, err := j.Jobs.RestoreSealedDays(ctx, days)
	restored := 0
	for _, outcome := range outcomes {
		if outcome == rebuild.DayRestored {
			restored++
		}
	}
	if restored > 0 {
		j.Trail.Record(ctx, SealedDaysRestored, fmt.Sprintf("%d sealed days", restored))
	}
	return outcomes, err
}

// Resume is that of [rebuild.Jobs].
func (j Jobs) Resume(ctx context.Context, queue string) error {
	if err := j.Jobs.Resume(ctx, queue); err != nil {
		return err
	}
	j.Trail.Record(ctx, QueueResumed, "queue "+queue)
	return nil
}

// describe says in a line what a job does. The job itself is deleted long before.
func describe(id int64, args rebuild.Args) string {
	if args.IsPurge() {
		what := "purge"
		if args.DryRun {
			what = "dry run of a purge"
		}
		return fmt.Sprintf("%s %d of logs that are older than %d days", what, id, args.PurgeOlderThanDays)
	}
	what, scope := "rebuild", args.Scope
	switch {
	case args.IsRezone():
		what = "re-zone"
	case args.Erase:
		return fmt.Sprintf("erasure %d", id)
	case args.DryRun:
		what = "verify"
	}
	parts := []string{fmt.Sprintf("%s %d of everybody", what, id)}
	switch users := len(scope.Users); users {
	case 0:
	case 1:
		parts[0] = fmt.Sprintf("%s %d of user %s", what, id, scope.Users[0])
	default:
		parts[0] = fmt.Sprintf("%s %d of %d users", what, id, users)
	}
	if args.IsRezone() {
		parts[0] += " to " + args.TimeZone
	}
	if scope.RecordedSince != nil {
		parts = append(parts, "recorded since "+scope.RecordedSince.UTC().Format(time.RFC3339))
	}
	if scope.From != nil {
		parts = append(parts, "from "+scope.From.String())
	}
	if scope.To != nil {
		parts = append(parts, "to "+scope.To.String())
	}
	return strings.Join(parts, ", ")
}
