package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bareInsert is the plain statement that anybody would write by hand. Its table is
// like the service's own, but has no rollup. It has as many users as the service
// gets logs for.
const bareInsert = `\set n random(1, %d)
INSERT INTO bare_learning_log (request_id, user_id, word_count, "timestamp")
VALUES (gen_random_uuid(), lpad(to_hex(:n::int), 32, '0')::uuid, 12, now());
`

// pgbench runs a statement repeatedly, in one transaction each.
type pgbench struct {
	scratch *scratch
	url     string
	script  string
	// protocol is prepared (which is faster) or simple.
	protocol string
	clients  int
	duration time.Duration
}

func (p pgbench) run(ctx context.Context) (result, error) {
	dir, err := os.MkdirTemp("", "learninglog-pgbench-")
	if err != nil {
		return result{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	script := filepath.Join(dir, "script.sql")
	const onlyMine = 0o600
	if err := os.WriteFile(script, []byte(p.script), onlyMine); err != nil {
		return result{}, err
	}
	command := exec.CommandContext(ctx, filepath.Join(p.scratch.server.BinDir(), "pgbench"), "--no-vacuum",
		"--protocol="+p.protocol,
		"--client="+strconv.Itoa(p.clients),
		"--jobs="+strconv.Itoa(min(p.clients, 2)),
		"--time="+strconv.Itoa(int(p.duration.Seconds())),
		"--file="+script,
		"--log", "--log-prefix="+filepath.Join(dir, "log"), "--sampling-rate=0.1",
		p.url)
	var problems bytes.Buffer
	command.Stderr = &problems
	before, err := p.scratch.processorTime(nil)
	if err != nil {
		return result{}, err
	}
	output, err := command.Output()
	if err != nil {
		return result{}, fmt.Errorf("pgbench: %w: %s", err, problems.String())
	}
	after, err := p.scratch.processorTime(nil)
	if err != nil {
		return result{}, err
	}
	match := regexp.MustCompile(`(?s)actually processed: ([0-9]+).*tps = ([0-9.]+)`).FindSubmatch(output)
	if match == nil {
		return result{}, fmt.Errorf("pgbench printed no rate: %s", output)
	}
	done, err := strconv.Atoi(string(match[1]))
	if err != nil {
		return result{}, err
	}
	rate, err := strconv.ParseFloat(string(match[2]), 64)
	if err != nil {
		return result{}, err
	}
	latencies, err := readLatencies(filepath.Join(dir, "log.*"))
	return result{rate: rate, latencies: latencies, spent: after.each(before, done)}, err
}

// readLatencies reads pgbench's logs: the third field is in microseconds.
func readLatencies(pattern string) ([]time.Duration, error) {
	const third = 2
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	var latencies []time.Duration
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) <= third {
				continue
			}
			took, err := strconv.Atoi(fields[third])
			if err != nil {
				return nil, err
			}
			latencies = append(latencies, time.Duration(took)*time.Microsecond)
		}
	}
	slices.Sort(latencies)
	return latencies, nil
}
