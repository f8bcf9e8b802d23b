package rebuild

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/rivertype"

	"learninglog/internal/retry"
)

// maxListedUsers is the largest number of users that are shown in a list of rebuilds. More
// are only counted.
const maxListedUsers = 10

// List returns the latest rebuilds, newest first, at most limit. It leaves out examples of
// drift, and the users of a scope that has more than a few.
func (j *Jobs) List(ctx context.Context, limit int) ([]Job, error) {
	jobs, err := retry.Read(ctx, j.pool, collectListed, j.listSQL(), pgx.NamedArgs{
		"kind": Args{}.Kind(), "limit": limit, "max_listed": maxListedUsers,
	})
	if err != nil {
		return nil, fmt.Errorf("listing rebuilds: %w", err)
	}
	return jobs, nil
}

// listSQL reads arguments only if they have no summary, because reading 10,000 users takes
// longer than all the rest. Jobs of earlier versions have none, and so have jobs with few
// users.
func (j *Jobs) listSQL() string {
	return `
		SELECT id,
		       state::text,
		       created_at,
		       attempted_at,
		       finalized_at,
		       CASE WHEN metadata ? 'summary' THEN metadata #> '{summary,args}'
		            WHEN users > @max_listed THEN args #- '{scope,users}'
		            ELSE args
		       END,
		       users,
		       jsonb_build_object('output', (metadata -> 'output') - 'examples',
		                          'cancel_attempted_at', metadata -> 'cancel_attempted_at'),
		       errors[array_upper(errors, 1)] ->> 'error'
		FROM ` + j.table() + `,
		     LATERAL (SELECT coalesce((metadata #>> '{summary,users}')::int,
		                              jsonb_array_length(args #> '{scope,users}'), 0) AS users) AS scope
		WHERE kind = @kind
		ORDER BY id DESC
		LIMIT @limit`
}

func collectListed(rows pgx.Rows) ([]Job, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Job, error) {
		var (
			listed    rivertype.JobRow
			users     int
			lastError *string
		)
		err := row.Scan(&listed.ID, &listed.State, &listed.CreatedAt, &listed.AttemptedAt, &listed.FinalizedAt,
			&listed.EncodedArgs, &users, &listed.Metadata, &lastError)
		if err != nil {
			return Job{}, err
		}
		if lastError != nil {
			listed.Errors = []rivertype.AttemptError{{Error: *lastError}}
		}
		job, err := newJob(&listed)
		job.Users = users
		return job, err
	})
}

// summary is what lists show of a job with many users. It is kept in the metadata of the
// job.
type summary struct {
	Args  Args `json:"args"` // without users
	Users int  `json:"users"`
}

// metadata returns River's metadata of a new job.
func (a Args) metadata() ([]byte, error) {
	metadata := make(map[string]any)
	if a.Requester != "" {
		metadata["requester"] = a.Requester
	}
	if users := len(a.Scope.Users); users > maxListedUsers {
		a.Scope.Users = nil
		metadata["summary"] = summary{Args: a, Users: users}
	}
	return json.Marshal(metadata)
}

// table returns the name of River's table of jobs, for queries.
func (j *Jobs) table() string {
	return pgx.Identifier{j.client.Schema(), "river_job"}.Sanitize()
}
