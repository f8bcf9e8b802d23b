package rebuild

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

// RoutineConfig says how a part of the rollups is verified by itself, again and
// again. Each time that is
//
//   - everybody, in key order, from the user on with whom the last time ended, for
//     as many logs as the sample has. After the last user comes the first: so in
//     known time everybody's turn comes;
//   - whoever else has had a log recorded since the last time began;
//   - and whoever was found to have drifted then, so that drift is told of until
//     it is repaired. Of more than [MaxExamples] rows these are the users of the
//     worst: the others are told of again when their turn comes, so only a rebuild
//     of everything, or a verification, says that no drift is left.
//
// The first time has only a sample.
type RoutineConfig struct {
	// Every is how often. 0 is never.
	Every time.Duration
	// SampleLogs is about how many logs the sample has. Users are whole in it.
	SampleLogs int
	// Repairs also repairs what was found.
	Repairs bool
}

const (
	// routinePace is how many logs a routine reads in a second: nobody waits for it.
	routinePace = 20_000
	// routineMargin is how long before a routine a log may have been on its way
	// that the routine didn't see: recorded_at is when its transaction began.
	routineMargin = 5 * time.Minute
	// routineQueue is worked beside the default one, as a routine that takes long
	// must not keep anybody waiting.
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

// periodic returns the job that has a routine begun whenever one is due. River
// knows only in memory when it was last, and its leader changes with every
// deploy: so it asks often, and the database knows.
func (j *Jobs) periodic(ctx context.Context) *river.PeriodicJob {
	config := j.routine
	askEvery := min(config.Every, time.Minute)
	begin := func() (river.JobArgs, *river.InsertOpts) {
		due, err := j.isRoutineDue(ctx, config.Every-askEvery/2) // an interval that an ask misses by little would last one more
		if err != nil && ctx.Err() == nil {
			j.logger.WarnContext(ctx, "looking whether a routine verification is due failed", "error", err)
		}
		if err != nil || !due {
			return nil, nil
		}
		return config.args(), nil
	}
	return river.NewPeriodicJob(river.PeriodicInterval(askEvery), begin, &river.PeriodicJobOpts{RunOnStart: true})
}

// isRoutineDue says whether no routine is under way, and none was begun for an
// interval; one that was cancelled counts too. It asks at most for as long as
// River's leader can spare.
func (j *Jobs) isRoutineDue(ctx context.Context, every time.Duration) (due bool, err error) {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	query := `
		SELECT NOT EXISTS (
		    SELECT FROM ` + pgx.Identifier{j.client.Schema(), "river_job"}.Sanitize() + `
		    WHERE kind = @kind AND args @> '{"routine": true}' AND (finalized_at IS NULL OR created_at > now() - @every::interval)
		) AND NOT EXISTS (
		    SELECT FROM learning_log_verifications
		    WHERE verification = @routine AND began_at > now() - @every::interval
		)`
	err = j.pool.QueryRow(ctx, query, pgx.NamedArgs{
		"kind": Args{}.Kind(), "routine": Routine, "every": every,
	}).Scan(&due)
	return due, err
}

// Sample makes a part begin with a number of logs of all users. After those it
// is only some users.
type Sample struct {
	// Logs is how many logs the sample has yet.
	Logs int64 `json:"logs"`
	// End is the user with whom it ended, or nil.
	End *uuid.UUID `json:"end,omitempty"`
	// RecordedSince and Users are who is looked at from there on: those of whom a
	// log was recorded at this instant or later, and these.
	RecordedSince *time.Time  `json:"recorded_since,omitempty"`
	Users         []uuid.UUID `json:"users,omitempty"`
}

// beginRoutine returns the one part of a routine: once around all users, from
// where the last sample ended. It also returns that user, with whom the next
// sample begins again if this one comes around.
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

// goesOn says whether the part is of all users yet.
func (s *Sample) goesOn() bool { return s != nil && s.End == nil }

// maxLogs bounds a chunk by what the sample has left. A user who has been begun is
// taken whole, so it is no bound for the rest of one; and a last chunk of a few
// logs would cut its first user at every month.
func (p Part) maxLogs(chunk int) int {
	const least = 1000
	if !p.Sample.goesOn() || p.At != nil {
		return chunk
	}
	return int(min(int64(chunk), max(least, p.Sample.Logs)))
}

// before returns the sample of the rest of a part, after a chunk of so many logs.
// It ends between users.
func (s *Sample) before(rest Part, logs int64) *Sample {
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
