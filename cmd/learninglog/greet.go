package main

import (
	"fmt"
	"io"
	"net"

	"github.com/google/uuid"

	"learninglog/internal/demo"
)

// greet prints where a person finds the service.
func greet(stdout io.Writer, address net.Addr, database *database, hasAdmin bool) {
	base := "http://" + reachable(address)
	user := uuid.NewString()
	operations := ""
	if hasAdmin {
		operations = "\n  admin    " + base + "/admin"
	}
	_, _ = fmt.Fprintf(stdout, `learninglog is ready.

  address  %[1]s
  docs     %[1]s/docs%[5]s
  data     %[2]s

Record a log, and read it back:

  curl -i %[1]s/v1/learning-logs -H 'Content-Type: application/json' -d '{"request_id":"%[3]s","user_id":"%[4]s","word_count":12}'
  curl '%[1]s/v1/users/%[4]s/summary?fill=false'

`, base, database.where, uuid.NewString(), user, operations)
}

// greetClosed prints where people log in, and how whoever runs the service gets a key for it.
func greetClosed(stdout io.Writer, base string, withKeys bool, database databaseFlags) {
	_, _ = fmt.Fprintf(stdout, `learninglog is ready, for whoever is known.

  address  %[1]s
  docs     %[1]s/docs
  log in   %[1]s/login

`, base)
	if !withKeys {
		return
	}
	_, _ = fmt.Fprintf(stdout, `Create a key, and record a log with it:

  export LEARNINGLOG_KEY=$(%[2]s)
  curl -i %[1]s/v1/learning-logs -H "Authorization: Bearer $LEARNINGLOG_KEY" -H 'Content-Type: application/json' -d '{"request_id":"%[3]s","user_id":"%[4]s","word_count":12}'

`, base, database.paste("key", "create", "--name", "backend", "--scopes", "logs:write,logs:read"), uuid.NewString(), uuid.NewString())
}

// greetAtSocket prints how a service at a Unix socket is asked.
func greetAtSocket(stdout io.Writer, address net.Addr, database *database) {
	_, _ = fmt.Fprintf(stdout, `learninglog is ready.

  address  %[1]s%[2]s
  data     %[3]s

Ask it, for localhost:

  curl --unix-socket %[4]s http://localhost/readyz

`, socketPrefix, address, database.where, quoted(address.String()))
}

// printDemoLearners prints the addresses of the demo learners.
func printDemoLearners(stdout io.Writer, address net.Addr) {
	_, _ = fmt.Fprint(stdout, "The made-up learners:\n\n")
	for _, learner := range demo.Learners() {
		_, _ = fmt.Fprintf(stdout, "  http://%s/users/%s  %s\n", reachable(address), learner.ID, learner.Settings.DisplayName)
	}
	_, _ = fmt.Fprintln(stdout)
}
