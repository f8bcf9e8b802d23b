package rebuild

import (
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

const (
	// DefaultPace is how many logs a rebuild reads in a second unless it is told
	// otherwise: few enough to leave a busy database to its writers.
	DefaultPace = 20_000
	// MaxWorkers is the most connections that a rebuild may be worked on.
	MaxWorkers = 8
)

// Args are the arguments of the River job that rebuilds a scope. While a
// job of the same scope waits or runs, inserting another returns that one.
type Args struct {
	// Scope is written as [Scope.Normalized] writes it.
	Scope Scope `json:"scope" river:"unique"`
	// DryRun finds drift and leaves it.
	DryRun bool `json:"dry_run,omitempty" river:"unique"`
	// Routine makes it a routine, whose scope is everything and whose sample has
	// about SampleLogs: see [RoutineConfig].
	Routine    bool `json:"routine,omitempty" river:"unique"`
	SampleLogs int  `json:"sample_logs,omitempty"`
	// Workers is on how many connections the users are worked at the same time, at
	// most: fewer where the pool has too few to spare. Less than 1 is 1.
	Workers int `json:"workers,omitempty"`
	// MaxLogsPerSecond is how many logs all of them go through at most in a second,
	// on average. Logs that are out of scope count too, where they have to be passed.
	// 0 is as many as they can.
	MaxLogsPerSecond int `json:"max_logs_per_second,omitempty"`
}

// Kind is the name of the job in River's tables.
func (Args) Kind() string { return "rebuild" }

// InsertOpts makes the job unique among those that haven't ended. River's
// default counts completed jobs too, and would refuse a second rebuild.
func (a Args) InsertOpts() river.InsertOpts {
	queue := river.QueueDefault
	if a.Routine {
		queue = routineQueue
	}
	return river.InsertOpts{
		Queue: queue,
		UniqueOpts: river.UniqueOpts{
			ByArgs: true,
			ByState: []rivertype.JobState{
				rivertype.JobStateAvailable,
				rivertype.JobStatePending,
				rivertype.JobStateRetryable,
				rivertype.JobStateRunning,
				rivertype.JobStateScheduled,
			},
		},
	}
}
