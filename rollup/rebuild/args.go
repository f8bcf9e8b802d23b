package rebuild

import (
	"fmt"
	"math"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

const (
	// DefaultPace is how many logs a rebuild reads per second by default. It is low
	// enough to leave a busy database to its writers.
	DefaultPace = 20_000
	// MinPace is the least pace that can be requested. With less, a few rebuilds would keep
	// all others waiting for days.
	MinPace = 1000
	// MaxWorkers is the largest number of connections that a rebuild may use.
	MaxWorkers = 8
)

// Args are the arguments of the River job that rebuilds a scope. While a job with
// the same scope waits or runs, inserting another returns the existing one.
type Args struct {
	// Scope must be in the form that [Scope.Normalized] returns.
	Scope Scope `json:"scope" river:"unique"`
	// DryRun reports drift without repairing it. Of a purge, it counts what would be deleted.
	DryRun bool `json:"dry_run,omitempty" river:"unique"`
	// Routine makes the job a routine: its scope is everything, and its sample has
	// about SampleLogs logs. See [RoutineConfig].
	Routine    bool `json:"routine,omitempty" river:"unique"`
	SampleLogs int  `json:"sample_logs,omitempty"`
	// TimeZone makes the job a re-zone: the logs in scope get the offsets of this zone,
	// by its IANA name, if their clients didn't say one. Nothing else is compared or
	// repaired. Empty is no re-zone.
	TimeZone string `json:"time_zone,omitempty" river:"unique"`
	// Erase makes the job delete what there is of everybody who is on the list of erased
	// users: see [Jobs.Erase]. So no job names one of them.
	Erase bool `json:"erase,omitempty" river:"unique"`
	// PurgeOlderThanDays makes the job a purge: logs that are older than so many days are
	// refused from now on, and those that are a day older are deleted, and kept as sealed
	// days. Its scope is everything. 0 is no purge. See [CheckPurgeDays].
	PurgeOlderThanDays int `json:"purge_older_than_days,omitempty" river:"unique"`
	// Operator says that an operator requests the job, at the command line or at /admin.
	// So it doesn't wait behind rebuilds that others have requested, not even by joining
	// one of the same scope.
	Operator bool `json:"operator,omitempty" river:"unique"`
	// Requester is whose request it is, or empty. One may have [MaxUnfinishedEach].
	Requester string `json:"-"`
	// Workers is the maximum number of connections that work on the users at the
	// same time. There are fewer if the pool can't spare as many. Values below 1
	// mean 1.
	Workers int `json:"workers,omitempty"`
	// MaxLogsPerSecond limits how many logs all workers together read per second, on
	// average. Logs that are out of scope count too if they have to be read. 0 is no
	// limit; otherwise requests have at least MinPace, but jobs of earlier versions may
	// have less.
	MaxLogsPerSecond int `json:"max_logs_per_second,omitempty"`
}

// CheckPace returns nil if a pace may be requested. The text of its error completes a
// sentence that begins with the name of the pace.
func CheckPace(logsPerSecond int) error {
	if logsPerSecond == 0 || (logsPerSecond >= MinPace && logsPerSecond <= math.MaxInt32) {
		return nil
	}
	return fmt.Errorf("must be 0, which is as many as it can, or from %d to %d", MinPace, math.MaxInt32)
}

// IsRezone reports whether the job is a re-zone.
func (a Args) IsRezone() bool { return a.TimeZone != "" }

// IsPurge reports whether the job is a purge.
func (a Args) IsPurge() bool { return a.PurgeOlderThanDays > 0 }

// Kind returns the name of the job in River's tables.
func (Args) Kind() string { return "rebuild" }

// operatorQueue is separate from the default queue, so that an operator's rebuild doesn't
// wait behind a hundred others.
const operatorQueue = "operator"

// operatorTag marks the jobs of operators in all queues. It can be read without the
// arguments, which may be long.
const operatorTag = "operator"

// InsertOpts makes the job unique among the jobs that haven't ended. River's default
// would also count completed jobs, and so refuse a second rebuild.
func (a Args) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue: a.queue(),
		Tags:  a.tags(),
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

// queue returns the queue in which the job waits. All re-zones are in one, because they
// are done one after the other, and so are all purges.
func (a Args) queue() string {
	switch {
	case a.Routine:
		return routineQueue
	case a.IsRezone():
		return rezoneQueue
	case a.Erase:
		return eraseQueue
	case a.IsPurge():
		return purgeQueue
	case a.Operator:
		return operatorQueue
	default:
		return river.QueueDefault
	}
}

func (a Args) tags() []string {
	if a.Operator {
		return []string{operatorTag}
	}
	return nil
}
