package sharding_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The plans that statements may have, as [plan.String] tells them.
const (
	// oneShard is of a statement that is passed on as it is, to the node of one shard. Every
	// statement may have this plan, if it happens to be of one user.
	oneShard = "one shard"
	// itsShards is of a statement that is passed on whole to the nodes of several shards. The
	// coordinator puts their rows one after the other.
	itsShards = "shards"
	// theFirst and anyRow are of statements with a limit. Each shard returns so many rows at most.
	theFirst, anyRow = "Limit of Sort of shards, each Limit", "Limit of shards, each Limit"
	// theSums is of a statement that adds up numbers, of which each shard returns one row, and
	// theSumsOfDays of one where it returns a row for each day.
	theSums, theSumsOfDays = "Aggregate of shards, each Aggregate", "Aggregate by 1 of shards, each Aggregate by 1"
	// theSides is of the statement that lists both sides of a comparison, which each shard makes
	// of its users.
	theSides = "Sort of shards, each Append"
	// arrays is of a statement that inserts rows from arrays, its parameters: those of each
	// shard are passed on to its node.
	arrays = "Custom Scan Citus INSERT ... SELECT of Function Scan"
	// theSample is of the one statement for which rows come to the coordinator: those of a
	// sample of a thousand pages, when a rebuild with several workers begins.
	theSample = "Aggregate of shards, each Sample Scan"
)

// Where statements are sent.
const (
	toBoth        = "the coordinator, a node" // if a node can't be reached, the coordinator is asked instead
	toCoordinator = "the coordinator"
)

// rules say what plan each statement has that uses the tables which are distributed.
func rules() []rule {
	return []rule{
		// What is about one learner.
		{"record logs", `^INSERT INTO learning_log \(.* VALUES`, toBoth, itsShards},
		{"record many logs", `^INSERT INTO learning_log \(.* SELECT .* FROM unnest`, toBoth, arrays},
		{"lock logs that may be voided", `^SELECT .* FROM learning_log WHERE user_id = \$1 .* FOR UPDATE$`, toBoth, oneShard},
		{"void logs", `^UPDATE learning_log SET voided_at`, toBoth, oneShard},
		{"add to the rollups", `^INSERT INTO learning_log_aggregates AS a \(.*\) ?VALUES`, toBoth, itsShards},
		{"add much to the rollups", `^INSERT INTO learning_log_aggregates AS a \(.*\) SELECT .* FROM unnest`, toBoth, arrays},
		{"look logs up", `^SELECT request_id, .* FROM learning_log WHERE user_id = ANY\(\$1.*\)\)$`, toBoth, itsShards},
		{"the offset of the latest log", `^SELECT \( SELECT utc_offset`, toBoth, oneShard},
		{"a summary", `^SELECT \(period - DATE '1970-01-01'\), total_word_count, entry_count FROM .* granularity = \$2`, toBoth, oneShard},
		{"all days", `^SELECT \(period - DATE '1970-01-01'\), total_word_count, entry_count FROM .* granularity = 'day'`, toBoth, oneShard},
		{"a summary until today", `^SELECT latest.utc_offset, .* SELECT \(period - DATE '1970-01-01'\), total_word_count, entry_count FROM`, toBoth, oneShard},
		{"streaks", `^SELECT \(SELECT freeze_days`, toBoth, oneShard},
		{"settings", `^SELECT coalesce\(display_name`, toBoth, oneShard},
		{"change settings", `^INSERT INTO learning_log_settings`, toBoth, oneShard},
		{"unset or erase settings", `^DELETE FROM learning_log_settings WHERE user_id = \$1$`, toBoth, oneShard},
		{"hours", `^SELECT date_part\('hour'`, toBoth, oneShard},
		{"a log", `^SELECT .* FROM learning_log WHERE user_id = \$1 AND request_id = \$2$`, toBoth, oneShard},
		{"a page of logs that count", `^SELECT .* voided_at IS NULL .* LIMIT (@limit|\$\d+)$`, toBoth, oneShard},
		{"a page of all logs", `^\( SELECT .* voided_at IS NULL .* UNION ALL \( SELECT .* voided_at IS NOT NULL`, toBoth, oneShard},

		// What is about everybody.
		{"what everybody learned each day", `^SELECT \(period - DATE '1970-01-01'\), CASE WHEN sum`, toCoordinator, theSumsOfDays},
		{"who was active", `^SELECT user_id, max\(recorded_at\)`, toCoordinator, theFirst},
		{"names", `^SELECT user_id, display_name`, toCoordinator, itsShards},
		{"whether there is a log", `^SELECT 1 FROM learning_log LIMIT 1$`, toCoordinator, anyRow},
		{"whether there is a sealed day", `^SELECT 1 FROM learning_log_sealed_days LIMIT 1$`, toCoordinator, anyRow},

		// Rebuilds, which add to the rollups, too.
		{"divide the users among workers", `^SELECT percentile_disc`, toCoordinator, theSample},
		{"list who has changed", `^SELECT user_id FROM \( SELECT user_id .* @last GROUP BY`, toCoordinator, theFirst},
		{"list who has changed, of some users", `^SELECT user_id FROM \( SELECT user_id .*@among\) GROUP BY`, toCoordinator, theFirst},
		{"count the logs and sealed days of users", `^SELECT user_id, count\(\*\) FROM \( \(SELECT .* FROM learning_log WHERE .* FROM learning_log_sealed_days`, toCoordinator, theFirst},
		{"count the rollups of users", `^SELECT user_id, count\(\*\) FROM learning_log_aggregates AS r`, toCoordinator, theFirst},
		{"cut a user", `^WITH logs_left AS`, toCoordinator, oneShard},
		{"compare", `^SELECT \* FROM \( SELECT user_id, -2 AS side`, toCoordinator, theSides},
		{"sweep empty rows", `^DELETE FROM learning_log_aggregates .* SKIP LOCKED`, toCoordinator, oneShard},

		// Re-zones, which sweep, and add to the rollups, too.
		{"count what is re-zoned", `^SELECT count\(DISTINCT user_id\), count\(\*\) FROM`, toCoordinator, theSums},
		{"list who has logs to re-zone", `^SELECT user_id FROM learning_log WHERE .* GROUP BY user_id$`, toCoordinator, itsShards},
		{"lock logs to re-zone", `^SELECT .* utc_offset <> .* FOR UPDATE$`, toCoordinator, oneShard},
		{"re-zone logs", `^UPDATE learning_log SET utc_offset`, toCoordinator, oneShard},

		// Purges, which compare, too.
		{"count what would be purged", `^SELECT count\(\*\) FROM \( SELECT user_id FROM learning_log`, toCoordinator, theSums},
		{"list who has logs to purge", `^SELECT user_id FROM \( SELECT user_id FROM learning_log .* AS old GROUP BY user_id$`, toCoordinator, itsShards},
		{"list logs to purge", `^SELECT user_id, request_id FROM \( SELECT user_id, request_id FROM learning_log`, toCoordinator, oneShard},
		{"lock logs to purge", `^SELECT request_id, .* WHERE user_id = ANY\(\$1.* FOR UPDATE$`, toCoordinator, oneShard},
		{"purge logs", `^DELETE FROM learning_log WHERE user_id = ANY\(\$1`, toCoordinator, oneShard},
		{"add to sealed days", `^INSERT INTO learning_log_sealed_days AS s`, toCoordinator, oneShard},

		// What is restored, which is added to the rollups, too.
		{"sealed days of dates", `^SELECT .* FROM learning_log_sealed_days WHERE user_id = \$1 AND day BETWEEN`, toCoordinator, oneShard},
		{"dates that have logs", `^SELECT DISTINCT`, toCoordinator, oneShard},
		{"restore sealed days", `^INSERT INTO learning_log_sealed_days \(`, toCoordinator, arrays},

		// Exports.
		{"count logs to export", `^SELECT count\(\*\), count\(voided_at\)`, toCoordinator, oneShard},
		{"count sealed days to export", `^SELECT count\(\*\) FROM learning_log_sealed_days`, toCoordinator, oneShard},
		{"count settings to export", `^SELECT count\(\*\) FROM learning_log_settings`, toCoordinator, oneShard},
		{"export settings", `^SELECT changed_at`, toCoordinator, oneShard},
		{"export sealed days", `^SELECT day, .* ORDER BY day$`, toCoordinator, oneShard},
		{"export logs", `^\(SELECT .*, offset_given FROM learning_log`, toCoordinator, oneShard},

		// Erasures, which take from the rollups, too.
		{"list logs to erase", `^\(SELECT request_id FROM learning_log WHERE user_id = \$1`, toCoordinator, oneShard},
		{"lock logs to erase", `^SELECT FROM learning_log WHERE user_id = \$1`, toCoordinator, oneShard},
		{"erase logs", `^DELETE FROM learning_log WHERE user_id = \$1`, toCoordinator, oneShard},
		{"erase sealed days", `^DELETE FROM learning_log_sealed_days WHERE user_id = \$1 RETURNING`, toCoordinator, oneShard},
		{"erase sealed days that are left", `^DELETE FROM learning_log_sealed_days WHERE user_id = \$1$`, toCoordinator, oneShard},
		{"erase rollups that are left", `^DELETE FROM learning_log_aggregates WHERE user_id = \$1$`, toCoordinator, oneShard},
	}
}

// rule says what plan a statement has.
type rule struct {
	what string
	sql  string // matches the statement, in which all white space is a single space
	at   string // where it is sent
	plan string
}

// No statement brings rows to the coordinator, to go on with them there.
func TestStatementsArePassedOnToTheirShards(t *testing.T) {
	t.Parallel()
	notes := newNotebook(t)
	notes.useEverything(t)

	seen := make(map[string]map[string]bool) // the places and plans of each rule
	for _, statement := range notes.read() {
		sql := strings.Join(strings.Fields(statement.sql), " ")
		var matching []rule
		for _, rule := range rules() {
			if regexp.MustCompile(rule.sql).MatchString(sql) {
				matching = append(matching, rule)
			}
		}
		if !assert.Len(t, matching, 1, "a statement must have one rule here, which says how it is planned: %s", sql) {
			continue
		}
		plan, text := statement.explain(t)
		if rule := matching[0]; plan != oneShard {
			assert.Equal(t, rule.plan, plan, "%s, sent to %s: %s\n%s", rule.what, statement.at.name, sql, text)
		}
		if seen[matching[0].what] == nil {
			seen[matching[0].what] = make(map[string]bool)
		}
		seen[matching[0].what][statement.at.name] = true
		seen[matching[0].what][plan] = true
	}
	for _, rule := range rules() {
		require.Contains(t, seen, rule.what, "the statement never occurred")
		for _, want := range append(strings.Split(rule.at, ", "), rule.plan) {
			assert.Contains(t, seen[rule.what], want, rule.what)
		}
	}
}
