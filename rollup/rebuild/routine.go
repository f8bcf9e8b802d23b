package rebuild

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

// RoutineConfig configures the routines, which verify a part of the rollups again
// and again. Each routine verifies
//
//   - a sample: all users in key order, beginning with the user where the last sample
//     ended, until it has enough logs. The first user follows the last one, so every user
//     has their turn within a known time;
//   - the other users for whom a log was recorded, voided or re-zoned since the last
//     routine began;
//   - the users in whom the last routine found drift, so that drift is reported until it
//     is repaired. If it found more than [MaxExamples] drifted rows, only the users of
//     the worst rows are verified again; the others are reported again when their turn
//     comes. So only a rebuild or a verification of everything shows that no drift is
//     left.
//
// The very first routine has only a sample.
type RoutineConfig struct {
	// Every is the interval between routines. 0 means no routines.
	Every time.Duration
	// SampleLogs is about how many logs the sample has. It ends between two users,
	// never within one.
	SampleLogs int
	// Repairs makes the routines also repair the drift that they find.
	Repairs bool
}

const (
	// routinePace is how many logs a routine reads per second. It is slow, as nobody
	// waits for the result.
	routinePace = 20_000
	// routineMargin is how far back before the last routine logs are looked for.
	// recorded_at is the time when a log's transaction began, and a transaction that
	// was open then was invisible to that routine.
	routineMargin = 5 * time.Minute
	// routineQueue is separate from the default queue, so that a long routine
	// doesn't keep other rebuilds waiting.
	routineQueue = "routine"
)

func (c RoutineConfig) args() Args {
	return Args{
		Routine:          true,
		SampleLogs:       c.SampleLogs,
		DryRun:           !c.Repairs,
		MaxLogsPerSecond: routinePace,
	}
}

// periodic returns the job that begins a routine whenever one is due. River
// remembers the last run only in memory, and its leader changes with every
// deployment. So the job asks the database often.
func (j *Jobs) periodic(ctx context.Context) *river.PeriodicJob {
	config := j.routine
	checkEvery := min(config.Every, time.Minute)
	begin := func() (river.JobArgs, *river.InsertOpts) {
		// Without the margin, a check that comes a little too early would delay the
		// routine until the next check.
		due, err := j.isRoutineDue(ctx, config.Every-checkEvery/2)
		if err != nil && ctx.Err() == nil {
			j.logger.WarnContext(ctx, "looking whether a routine verification is due failed", "error", err)
		}
		if err != nil || !due {
			return nil, nil
		}
		return config.args(), nil
	}
	return river.NewPeriodicJob(river.PeriodicInterval(checkEvery), begin, &river.PeriodicJobOpts{RunOnStart: true})
}

// isRoutineDue reports whether no routine is waiting or running, and none has begun
// within the interval, even a cancelled one. It returns within two seconds, because
// River's leader waits for it.
func (j *Jobs) isRoutineDue(ctx context.Context, every time.Duration) (due bool, err error) {
	const timeout = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	query := `
		SELECT NOT EXISTS (
		    SELECT FROM ` + j.table() + `
		    WHERE queue = @queue AND (finalized_at IS NULL OR created_at > now() - @every::interval)
		) AND NOT EXISTS (
		    SELECT FROM learning_log_verifications
		    WHERE verification = @routine AND began_at > now() - @every::interval
		)`
	err = j.pool.QueryRow(ctx, query, pgx.NamedArgs{
		"queue": routineQueue, "routine": Routine, "every": every,
	}).Scan(&due)
	return due, err
}

// Sample makes a part begin with a sample of all users, until it has a number of
// logs. After that, only some users follow.
type Sample struct {
	// Logs is how many logs the sample still needs.
	Logs int64 `json:"logs"`
	// End is the first user after the sample, or nil if the sample hasn't ended.
	End *uuid.UUID `json:"end,omitempty"`
	// After the sample, these users are compared: those for whom a log was recorded,
	// voided or re-zoned at RecordedSince or later, and those in Users.
	RecordedSince *time.Time  `json:"recorded_since,omitempty"`
	Users         []uuid.UUID `json:"users,omitempty"`
}

// beginRoutine returns the only part of a routine: all users once, beginning where
// the last sample ended. It also returns that first user, as the next sample begins
// there again if this sample goes all the way round.
func beginRoutine(ctx context.Context, tx pgx.Tx, args Args) ([]*Part, uuid.UUID, error) {
	last, err := readLastRoutine(ctx, tx)
	if err != nil {
		return nil, uuid.Nil, err
	}
	first := last.NextUser
	sample := Sample{Logs: int64(args.SampleLogs), Users: last.DriftedUsers}
	if sample.Logs == 0 {
		sample.End = &first
	}
	if last.BeganAt != nil {
		sample.RecordedSince = new(last.BeganAt.Add(-routineMargin).UTC())
	}
	return []*Part{{From: first, Last: userBefore(first), Sample: &sample}}, first, nil
}

// goesOn reports whether the sample hasn't ended, so that the part still has all
// users.
func (s *Sample) goesOn() bool { return s != nil && s.End == nil }

// maxLogs limits a chunk to what the sample still needs. It doesn't limit the rest
// of a user who has been begun, because users are sampled as a whole. The limit is
// never very low: a last chunk of a few logs would cut its first user at every
// month.
func (p Part) maxLogs(chunk int) int {
	const least = 1000
	if !p.Sample.goesOn() || p.At != nil {
		return chunk
	}
	return int(min(int64(chunk), max(least, p.Sample.Logs)))
}

// remaining returns the sample for the rest of a part, after a chunk with that many
// logs. A sample ends only between users.
func (s *Sample) remaining(rest Part, logs int64) *Sample {
	if !s.goesOn() {
		return s
	}
	left := *s
	left.Logs -= logs
	if left.Logs <= 0 && rest.At == nil {
		left.End = &rest.From
	}
	return &left
}
