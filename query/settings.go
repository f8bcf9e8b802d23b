package query

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/retry"
	"learninglog/learning"
)

// Settings returns what a learner has set: the zero value if that is nothing.
func (r *Reader) Settings(ctx context.Context, userID uuid.UUID) (learning.Settings, error) {
	settings, err := retry.Read(ctx, r.at(userID), collectSettings, settingsSQL, userID)
	if err != nil {
		return learning.Settings{}, fmt.Errorf("reading settings: %w", err)
	}
	return settings, nil
}

const settingsSQL = `SELECT ` + learning.SettingsColumns + ` FROM learning_log_settings WHERE user_id = $1`

func collectSettings(rows pgx.Rows) (settings learning.Settings, err error) {
	err = learning.ForEachSettings(rows, nil, func(found learning.Settings) error {
		settings = found
		return nil
	})
	return settings, err
}

// displayNames returns the names of those among some users who have one.
func (r *Reader) displayNames(ctx context.Context, users []uuid.UUID) (map[uuid.UUID]string, error) {
	all := func(rows pgx.Rows) (map[uuid.UUID]string, error) {
		names := make(map[uuid.UUID]string)
		var user uuid.UUID
		var name string
		_, err := pgx.ForEachRow(rows, []any{&user, &name}, func() error {
			names[user] = name
			return nil
		})
		return names, err
	}
	names, err := retry.Read(ctx, r.pool, all,
		`SELECT user_id, display_name FROM learning_log_settings WHERE user_id = ANY($1::uuid[]) AND display_name IS NOT NULL`, users)
	if err != nil {
		return nil, fmt.Errorf("reading names: %w", err)
	}
	return names, nil
}
