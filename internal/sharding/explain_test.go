package sharding_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// plan is a step of a plan, as EXPLAIN tells it in JSON.
type plan struct {
	Type        string                `json:"Node Type"`
	Provider    string                `json:"Custom Plan Provider"`
	GroupKey    []string              `json:"Group Key"`
	Below       []plan                `json:"Plans"`
	Selected    []struct{ Plan plan } `json:"Select Query"` // what is inserted, if it doesn't come from shards
	Distributed *struct {
		Subplans []json.RawMessage `json:"Subplans"`
		Job      struct {
			Tasks     int               `json:"Task Count"`
			Dependent []json.RawMessage `json:"Dependent Jobs"` // repartition rows
			Shown     []struct {
				Remote [][]struct{ Plan plan } `json:"Remote Plan"`
			} `json:"Tasks"`
		} `json:"Job"`
	} `json:"Distributed Query"`
}

// String tells what the coordinator does with what it gets from the shards, the last step
// first; and if it does something, what the last step of each shard is.
func (p plan) String() string {
	if p.Distributed != nil {
		return p.shards()
	}
	text := p.step()
	for _, selected := range p.Selected {
		text += " of " + selected.Plan.String()
	}
	for _, below := range p.Below {
		text += " of " + below.String()
		if shards := below.Distributed; shards != nil && shards.Job.Tasks > 1 {
			text += ", each " + shards.Job.Shown[0].Remote[0][0].Plan.step()
		}
	}
	return text
}

func (p plan) step() string {
	text := strings.TrimSpace(p.Type + " " + p.Provider)
	if len(p.GroupKey) > 0 {
		text += fmt.Sprintf(" by %d", len(p.GroupKey))
	}
	return text
}

func (p plan) shards() string {
	text := "shards"
	if p.Distributed.Job.Tasks == 1 {
		text = "one shard"
	}
	if p.Provider != "Citus Adaptive" {
		text = p.Provider + " of " + text
	}
	if len(p.Distributed.Subplans) > 0 {
		text += " with subplans, whose rows come to the coordinator"
	}
	if len(p.Distributed.Job.Dependent) > 0 {
		text += " with rows that go from shard to shard"
	}
	return text
}

// explain returns the plan that the statement has where it was sent, also in full.
func (s statement) explain(t *testing.T) (short, full string) {
	t.Helper()
	tx, err := s.at.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	err = tx.QueryRow(t.Context(), "EXPLAIN (FORMAT JSON, COSTS OFF) "+s.sql, s.arguments...).Scan(&full)
	require.NoError(t, err, "%s", s.sql)
	var plans []struct{ Plan plan }
	require.NoError(t, json.Unmarshal([]byte(full), &plans))
	require.Len(t, plans, 1)
	return plans[0].Plan.String(), full
}
