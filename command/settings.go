package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"learninglog/internal/retry"
	"learninglog/learning"
	"learninglog/rollup"
)

// Limits of settings.
const (
	// MaxDisplayName is how many characters a name may have.
	MaxDisplayName = 100
	MaxGoalWords   = 1_000_000_000
	MaxFreezeDays  = 7
)

// ErrErased means that the learner was erased: nothing is set of them.
var ErrErased = errors.New("the learner was erased")

// InvalidSettingsError says what is wrong with settings.
type InvalidSettingsError struct{ Errors []FieldError }

func (e *InvalidSettingsError) Error() string { return e.Errors[0].Error() }

// ChangeSettings replaces the settings of a learner, all of them, and doing it again changes
// nothing. It fails with an [*InvalidSettingsError], or with [ErrErased].
//
// As with logs, whoever erases waits until what was judged before must have been written: as
// long as a batch may take.
func (r *Recorder) ChangeSettings(ctx context.Context, user uuid.UUID, settings learning.Settings) error {
	if wrong := checkSettings(user, settings); wrong != nil {
		return &InvalidSettingsError{wrong}
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	wasErased, err := r.erased.Current(ctx)
	if err != nil {
		return fmt.Errorf("finding out who was erased: %w", err)
	}
	if wasErased(user) {
		return ErrErased
	}
	if settings == (learning.Settings{}) {
		err = r.execute(ctx, user, `DELETE FROM learning_log_settings WHERE user_id = $1`, user)
	} else {
		err = r.execute(ctx, user, `
			INSERT INTO learning_log_settings AS s (user_id, display_name, goal_words, goal_per, freeze_days)
			VALUES ($1, nullif($2, ''), nullif($3::bigint, 0), nullif($4, ''), $5)
			ON CONFLICT (user_id) DO UPDATE SET
			    display_name = excluded.display_name, goal_words = excluded.goal_words, goal_per = excluded.goal_per,
			    freeze_days = excluded.freeze_days, changed_at = excluded.changed_at
			WHERE (s.display_name, s.goal_words, s.goal_per, s.freeze_days) IS DISTINCT FROM
			      (excluded.display_name, excluded.goal_words, excluded.goal_per, excluded.freeze_days)`,
			user, settings.DisplayName, settings.Goal.Words, string(settings.Goal.Per), settings.FreezeDays)
	}
	if err != nil {
		return fmt.Errorf("changing settings: %w", err)
	}
	return nil
}

// execute executes a statement of one user, which may be repeated.
func (r *Recorder) execute(ctx context.Context, user uuid.UUID, statement string, arguments ...any) error {
	return retry.Conflicts(ctx, func() error {
		rows, err := r.at(user).Query(ctx, statement, arguments...)
		if err != nil {
			return err
		}
		rows.Close()
		return rows.Err()
	})
}

// checkSettings returns everything that is wrong with settings, or nil.
func checkSettings(user uuid.UUID, s learning.Settings) []FieldError {
	var wrong []FieldError
	refuse := func(field string, value any, expected string) {
		wrong = append(wrong, FieldError{Field: field, Expected: expected, Value: value})
	}
	if user == uuid.Nil {
		refuse("user_id", user.String(), "must not be the nil UUID")
	}
	if s.DisplayName != "" {
		if _, err := ParseDisplayName(s.DisplayName); err != nil {
			refuse("display_name", nil, err.Error())
		}
	}
	if s.Goal != (learning.Goal{}) {
		if s.Goal.Words < 1 || s.Goal.Words > MaxGoalWords {
			refuse("goal.words", s.Goal.Words, fmt.Sprintf("must be a whole number from 1 to %d", MaxGoalWords))
		}
		if s.Goal.Per != rollup.Day && s.Goal.Per != rollup.Week {
			refuse("goal.per", string(s.Goal.Per), "must be day or week")
		}
	}
	if s.FreezeDays < 0 || s.FreezeDays > MaxFreezeDays {
		refuse("freeze_days", s.FreezeDays, fmt.Sprintf("must be a whole number from 0 to %d", MaxFreezeDays))
	}
	return wrong
}

// ParseDisplayName returns the text if it may be a name. The text of its error completes a
// sentence that begins with the name of the field.
func ParseDisplayName(text string) (string, error) {
	// Some breaks of lines, and what turns the direction of a text, are no control characters.
	breaks := func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	}
	length := utf8.RuneCountInString(text)
	if length < 1 || length > MaxDisplayName || !utf8.ValidString(text) || strings.ContainsFunc(text, breaks) ||
		strings.TrimSpace(text) != text || !strings.ContainsFunc(text, unicode.IsPrint) {
		return "", fmt.Errorf("must have 1 to %d characters, some of them visible and none a control character, and no space at either end", MaxDisplayName)
	}
	return text, nil
}
