package audit

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"learninglog/command"
)

// Voided counts the logs that a call takes back, in one part or many.
type Voided struct {
	logs int
	user uuid.UUID
	// others says that the logs are of several users.
	others bool
}

// Add adds what became of a part of the logs.
func (v *Voided) Add(outcomes ...command.Outcome) {
	for _, outcome := range outcomes {
		if outcome.Status != command.Voided {
			continue
		}
		v.others = v.others || v.logs > 0 && v.user != outcome.Log.UserID
		v.user = outcome.Log.UserID
		v.logs++
	}
}

// Recorder records what was done, a [Trail].
type Recorder interface {
	Record(ctx context.Context, action Action, subject string)
}

// Record records that the logs were taken back, if there are any, and begins anew.
func (v *Voided) Record(ctx context.Context, trail Recorder) {
	if v.logs == 0 {
		return
	}
	subject := strconv.Itoa(v.logs) + " logs"
	if v.logs == 1 {
		subject = "1 log"
	}
	if v.others {
		subject += " of several users"
	} else {
		subject += " of user " + v.user.String()
	}
	trail.Record(ctx, LogsVoided, subject)
	*v = Voided{}
}
