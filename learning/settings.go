package learning

import (
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// Settings are what a learner has set. The zero value is nothing.
type Settings struct {
	// DisplayName is what the learner is called, or empty.
	DisplayName string
	// Goal is what the learner wants to reach.
	Goal Goal
	// FreezeDays is how many days in a row without a log don't end a streak of the learner.
	FreezeDays int
}

// Goal is how many words a learner wants to learn. The zero value is none.
type Goal struct {
	Words int64
	// Per is [rollup.Day] or [rollup.Week].
	Per rollup.Granularity
}

// SettingsColumns are the columns of the table learning_log_settings, in the order in which
// [ForEachSettings] reads them into [Settings].
const SettingsColumns = `coalesce(display_name, ''), coalesce(goal_words, 0), coalesce(goal_per, ''), freeze_days`

// ForEachSettings calls do with the settings in each row, which must have the
// [SettingsColumns] after those that are scanned into before. It closes rows.
func ForEachSettings(rows pgx.Rows, before []any, do func(Settings) error) error {
	var settings Settings
	columns := []any{&settings.DisplayName, &settings.Goal.Words, &settings.Goal.Per, &settings.FreezeDays}
	_, err := pgx.ForEachRow(rows, append(before, columns...), func() error { return do(settings) })
	return err
}
