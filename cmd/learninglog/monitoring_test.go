package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// What Prometheus and Grafana are given.
const (
	alertRules     = "../../deploy/prometheus/learninglog.rules.yml"
	testsOfAlerts  = "../../deploy/prometheus/learninglog.rules_test.yml"
	dashboardBoard = "../../deploy/grafana/learninglog.json"
)

// observed is a service with all of its metrics, as an operator sees it.
type observed struct {
	*service

	database string
	operator string // a key
}

func observe(t testing.TB) observed {
	t.Helper()
	database := pgtest.URL(t)
	// Nothing depends on Redis, so the metrics of what replicas tell each other are there without it.
	s := serve(t, "--database-url", database, "--auth=keys", "--redis-url", "redis://"+pgtest.ClosedAddress(t))
	o := observed{s, database, newKey(t, database, "--scopes=logs:write,logs:read,rebuilds")}
	require.Equal(t, http.StatusCreated, o.post())
	o.verify()
	return o
}

func (o observed) post() (status int) {
	o.t.Helper()
	return o.with(o.operator, http.MethodPost, "/v1/learning-logs", "application/json", newLog(uuid.New(), 1)).status
}

// verify verifies everything, and waits until that is done.
func (o observed) verify() {
	o.t.Helper()
	before := o.scrape()
	answer := o.with(o.operator, http.MethodPost, "/v1/rebuilds", "application/json", `{"dry_run":true}`)
	require.Equal(o.t, http.StatusAccepted, answer.status, "%s", answer.body)
	const ended = `learninglog_job_duration_seconds_count{kind="rebuild", outcome="completed"}`
	await(o.t, "it is verified", func() (int, bool) {
		now := o.scrape()[ended]
		return int(now), now > before[ended]
	})
}

func (o observed) scrape() series {
	o.t.Helper()
	scraped := o.with(o.operator, http.MethodGet, "/metrics", "", "")
	require.Equal(o.t, http.StatusOK, scraped.status)
	return o.read(scraped.body)
}

func readText(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// panels returns the queries of the board by the titles of its panels.
func panels(t testing.TB) map[string][]string {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(readText(t, dashboardBoard)), &board))
	queries := make(map[string][]string)
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			queries[panel.Title] = append(queries[panel.Title], target.Expr)
		}
	}
	require.NotEmpty(t, queries)
	return queries
}

func TestTheBoardAndTheAlertsNameMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	there := make(map[string]bool)
	for name := range observe(t).scrape() {
		name, _, _ = strings.Cut(name, "{")
		there[name] = true
	}
	for _, file := range []string{dashboardBoard, alertRules, testsOfAlerts} {
		named := regexp.MustCompile(`\b(?:learninglog|go|process)_[a-z_]+`).FindAllString(readText(t, file), -1)
		require.NotEmpty(t, named, file)
		for _, name := range named {
			assert.True(t, there[name], "%s names %s", file, name)
		}
	}
}

func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(readText(t, alertRules), -1)
	require.NotEmpty(t, alerts)
	tests := readText(t, testsOfAlerts)
	for _, alert := range alerts {
		assert.Contains(t, tests, fmt.Sprintf(`ALERTS{alertname="%s", alertstate="firing"`, alert[1]))
	}
}

func TestAlertsFireOnRecordedMetricsAndOnNoOthers(t *testing.T) {
	t.Parallel()
	promtool(t, "test", "rules", testsOfAlerts)
	promtool(t, "check", "rules", alertRules)
}

// promtool runs the tool of Prometheus.
func promtool(t testing.TB, arguments ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		skipUnlessRequired(t, "there is no promtool to try alerts with: install it (apt-get install prometheus)")
	}
	said, err := exec.Command(path, arguments...).CombinedOutput()
	assert.NoError(t, err, "%s", said)
}

func TestAlertsOfAServiceFireWhenSomethingIsWrongWithIt(t *testing.T) {
	t.Parallel()
	o := observe(t)
	stale := newKey(t, o.database, "--scopes=logs:read")

	start := o.scrape()
	require.Equal(t, http.StatusCreated, o.post())
	well := o.scrape()

	driftedUsers(t, pgtest.Open(t, o.database), 2)
	o.verify()
	require.Equal(t, http.StatusOK, o.with(o.operator, http.MethodPut, "/admin/jobs/api/queues/routine/pause", "", "").status)
	_, problems, status := run(t, "key", "revoke", "2", "--database-url", o.database)
	require.Zero(t, status, problems)
	await(t, "the key is revoked", func() (int, bool) {
		status := o.with(stale, http.MethodGet, "/v1/rebuilds", "", "").status
		return status, status == http.StatusUnauthorized
	})
	wrong := o.scrape()

	allowConnections(t, o.database, false)
	require.Equal(t, http.StatusServiceUnavailable, o.post())
	away := o.scrape()

	for _, test := range []struct {
		before, after series
		fire          []string
	}{
		{start, well, nil},
		{well, wrong, []string{"LearninglogDrift", "LearninglogEndedKeyUsed", "LearninglogJobsPaused"}},
		{wrong, away, []string{"LearninglogDatabaseAway", "LearninglogErrors", "LearninglogLogsFail"}},
	} {
		var fire []sample
		for _, name := range test.fire {
			fire = append(fire, sample{Labels: fmt.Sprintf(`{alertname=%q}`, name), Value: 1})
		}
		evaluateRules(t, hour(test.before, test.after), expression{
			// How long a post takes depends on the machine.
			Expr: `group by (alertname) (ALERTS{alertstate="firing", alertname!="LearninglogSlow"})`, At: "1h", Samples: fire,
		})
	}
}

func TestEveryPanelOfTheBoardShowsSomething(t *testing.T) {
	t.Parallel()
	o := observe(t)
	before := o.scrape()
	require.Equal(t, http.StatusCreated, o.post())
	variables := strings.NewReplacer("$job", "learninglog", "$instance", ".*", "$__rate_interval", "5m")
	var expressions []expression
	for _, queries := range panels(t) {
		for _, query := range queries {
			expressions = append(expressions, expression{
				Expr: "group(" + variables.Replace(query) + ")", At: "1h", Samples: []sample{{Labels: "{}", Value: 1}},
			})
		}
	}
	evaluateRules(t, hour(before, o.scrape()), expressions...)
}

// The parts of a test that promtool reads.
type (
	inputSeries struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	expression struct {
		Expr    string   `json:"expr"`
		At      string   `json:"eval_time"`
		Samples []sample `json:"exp_samples"`
	}
	sample struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	}
)

// hour returns an hour of the metrics of a service between two scrapes: what it counts grows
// evenly, and everything else is as in the last one.
func hour(before, after series) (input []inputSeries) {
	const minutes = 60
	input = append(input, inputSeries{Series: `up{job="learninglog", instance="a"}`, Values: fmt.Sprintf("1x%d", minutes)})
	decimal := func(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }
	counts := regexp.MustCompile(`_(total|count|sum|bucket)$`)
	for series, value := range after {
		name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
		if strings.HasPrefix(name, "go_gc") {
			continue // quantiles, which may be NaN
		}
		from := value
		if counts.MatchString(name) {
			from = before[series]
		}
		input = append(input, inputSeries{
			Series: fmt.Sprintf(`%s{job="learninglog", instance="a", %s}`, name, labels),
			Values: fmt.Sprintf("%s+%sx%d", decimal(from), decimal((value-from)/minutes), minutes),
		})
	}
	return input
}

// evaluateRules checks what expressions come to while the alerts are evaluated.
func evaluateRules(t testing.TB, input []inputSeries, expressions ...expression) {
	t.Helper()
	rules, err := filepath.Abs(alertRules)
	require.NoError(t, err)
	text, err := json.Marshal(map[string]any{ // which is YAML, too
		"rule_files":          []string{rules},
		"evaluation_interval": "1m",
		"tests": []any{map[string]any{
			"interval": "1m", "input_series": input, "promql_expr_test": expressions,
		}},
	})
	require.NoError(t, err)
	promtool(t, "test", "rules", writeFile(t, "test.yml", string(text)))
}
