package importer

// Action is what is done to the logs of an input: [Recording] or [Voiding].
type Action struct {
	path string // of the service's endpoint
	// sealedDaysPath is that of sealed days, or empty if they are left out.
	sealedDaysPath string
	// usersPath is that below which settings are, or empty if they are left out.
	usersPath string
	// required and optional are the fields of a log, by which columns of CSV are named.
	// Optional ones may be empty in a row.
	required, optional []string
	// onlyRequired says that all other columns and fields are left out.
	onlyRequired bool
	// refusesEmptyTimestamps says that a log must not have a timestamp that is empty.
	refusesEmptyTimestamps bool
}

// The fields of a log.
const (
	requestID   = "request_id"
	userID      = "user_id"
	wordCount   = "word_count"
	timestamp   = "timestamp"
	timeZone    = "time_zone"
	utcOffset   = "utc_offset"
	offsetGiven = "offset_given"
	replaces    = "replaces"
	voidedAt    = "voided_at"
)

// changedAt is a field of settings in an export, which the service sets by itself.
const changedAt = "changed_at"

// EmptyTimestamp is what becomes of a log whose timestamp is there but empty: of a row of
// CSV without a value in that column, of JSON with null or "", or of a log in an export,
// where each has one.
type EmptyTimestamp string

const (
	// RejectEmpty rejects the log, because it would count today whenever it was learned.
	RejectEmpty EmptyTimestamp = "reject"
	// Now lets the log have the time when it is recorded, as one without a timestamp.
	Now EmptyTimestamp = "now"
)

// Recording records the logs.
func Recording(empty EmptyTimestamp) Action {
	return Action{
		path:                   "v1/learning-logs/batch",
		sealedDaysPath:         "v1/sealed-days",
		usersPath:              "v1/users",
		required:               []string{requestID, userID, wordCount},
		optional:               []string{timestamp, timeZone, utcOffset, offsetGiven, replaces, voidedAt},
		refusesEmptyTimestamps: empty == RejectEmpty,
	}
}

// Voiding takes the logs back. It needs only their user and request ids, and ignores
// what else a log has. So an input that was recorded can be voided as it is.
func Voiding() Action {
	return Action{
		path:         "v1/learning-logs/void",
		required:     []string{requestID, userID},
		onlyRequired: true,
	}
}

// Outcome is what became of a log.
type Outcome string

// The outcomes that are known. The service may have others.
const (
	Recorded        Outcome = "recorded"
	AlreadyRecorded Outcome = "already_recorded"
	RequestIDReused Outcome = "request_id_reused"
	// ReplacedUnknown means that the log wasn't recorded, because the one that it
	// replaces doesn't count.
	ReplacedUnknown Outcome = "replaced_unknown"
	// TooOld means that the log is from before the time from which on the service keeps logs.
	TooOld Outcome = "too_old"
	// Voided means that the log is voided now. For a log to be recorded it means that it
	// was recorded before, and has been voided since.
	Voided        Outcome = "voided"
	AlreadyVoided Outcome = "already_voided"
	// Unknown means that there is no such log to be voided.
	Unknown Outcome = "unknown"
	Invalid Outcome = "invalid"
	// Erased means that the learner was erased: nothing is recorded or voided any more.
	Erased Outcome = "erased"
	// Conflict means that a sealed day wasn't restored, because something else is there of
	// that learner on that date.
	Conflict Outcome = "conflict"
	// Forbidden means that the log is of another learner than the key.
	Forbidden Outcome = "forbidden"
	// Unauthenticated means that the key has expired or was revoked since the request began.
	Unauthenticated Outcome = "unauthenticated"
)

// isReject reports whether the outcome is a mistake. After all others, nothing is left
// to be done.
func (o Outcome) isReject() bool {
	switch o {
	case Recorded, AlreadyRecorded, Voided, AlreadyVoided:
		return false
	default:
		return true
	}
}
