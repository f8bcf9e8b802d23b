package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

type healthCommand struct {
	Addr string `env:"LEARNINGLOG_ADDR" default:"127.0.0.1:8080" help:"Where the service listens."`
}

// Validate is called by kong.
func (c *healthCommand) Validate() error { return checkAddress(c.Addr) }

// Run succeeds if the service is ready.
func (c *healthCommand) Run(ctx context.Context) error {
	network, there := networkOf(c.Addr)
	host := "localhost"
	if network == "tcp" {
		address, err := net.ResolveTCPAddr(network, there)
		if err != nil {
			return fmt.Errorf("reading --addr: %w", err)
		}
		there = reachable(address)
		host = there
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("asking the service: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{ // without a proxy
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, there)
		},
	}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("the service can't be reached: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the service is not ready: %s%s", response.Status, reason(response.Body))
	}
	return nil
}

// reason returns the detail of a problem, as the end of a sentence. It returns
// nothing if the body isn't a problem.
func reason(body io.Reader) string {
	const most = 4 << 10
	var problem struct{ Detail string }
	err := json.NewDecoder(io.LimitReader(body, most)).Decode(&problem)
	if err != nil || problem.Detail == "" {
		return ""
	}
	return ": " + problem.Detail
}
