package dashboard

import (
	"strings"
	"time"

	"learninglog/internal/language"
	"learninglog/rollup/rebuild"
)

// shownRebuild is a rebuild with the texts that the page shows.
type shownRebuild struct{ rebuild.Job }

// IsRezone reports whether it is a re-zone.
func (s shownRebuild) IsRezone() bool { return s.Args.TimeZone != "" }

// IsPurge reports whether it is a purge.
func (s shownRebuild) IsPurge() bool { return s.Args.IsPurge() }

// What is the kind of the rebuild.
func (s shownRebuild) What() string {
	switch {
	case s.IsPurge() && s.Args.DryRun:
		return "dry run of a purge"
	case s.IsPurge():
		return "purge"
	case s.IsRezone():
		return "re-zone"
	case s.Args.Erase:
		return "erasure"
	case s.Args.Routine:
		return "routine verification"
	case s.Args.DryRun:
		return "verify"
	default:
		return "rebuild"
	}
}

// Scope describes the scope of the rebuild.
func (s shownRebuild) Scope() string {
	scope, parts := s.Args.Scope, []string{}
	switch {
	case s.Args.Routine:
		return "a sample, and whoever was active"
	case s.Args.Erase:
		return "learners"
	case s.IsPurge():
		return "logs that are older than " + count(s.Args.PurgeOlderThanDays, "day")
	case len(scope.Users) == 1:
		parts = append(parts, "learner "+scope.Users[0].String())
	case s.Users > 0:
		parts = append(parts, count(s.Users, "learner"))
	default:
		parts = append(parts, "everybody")
	}
	if s.IsRezone() {
		parts[0] += " to " + s.Args.TimeZone
	}
	if scope.RecordedSince != nil {
		parts = append(parts, "with logs recorded since "+scope.RecordedSince.UTC().Format(time.RFC3339))
	}
	if scope.From != nil {
		parts = append(parts, "from "+language.English().Date(*scope.From))
	}
	if scope.To != nil {
		parts = append(parts, "to "+language.English().Date(*scope.To))
	}
	return strings.Join(parts, ", ")
}

// Shown is the state in words.
func (s shownRebuild) Shown() string {
	switch {
	case s.IsBeingCancelled():
		return "being cancelled"
	case s.State == rebuild.Available, s.State == rebuild.Pending, s.State == rebuild.Scheduled:
		return "waiting"
	case s.State == rebuild.Retryable:
		return "waiting to go on"
	case s.State == rebuild.Discarded:
		return "given up"
	default:
		return string(s.State)
	}
}
