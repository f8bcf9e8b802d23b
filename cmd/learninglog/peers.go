package main

import (
	"context"
	"fmt"

	"learninglog/internal/metrics"
	"learninglog/internal/panics"
	"learninglog/internal/peers"
)

func (c *serveCommand) checkRedis() error {
	if c.RedisURL == "" {
		return nil
	}
	return peers.CheckURL(c.RedisURL)
}

// newPeers returns the other replicas, or nil if there is no Redis.
func (s *service) newPeers() (*peers.Peers, error) {
	if s.flags.RedisURL == "" {
		return nil, nil //nolint:nilnil // there are none
	}
	return peers.New(s.flags.RedisURL, metrics.NewPeers(s.metrics), s.logger)
}

// startPeers lets the recorder hear from other replicas, and them from it.
func (s *service) startPeers(others *peers.Peers) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.stopping))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := panics.Caught(func() { others.Run(ctx, s.recorder.Hear) }); err != nil {
			s.fail(fmt.Errorf("hearing from other replicas: %w", err))
		}
	}()
	s.stops.add("peers", func(stop context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stop.Done():
			return stop.Err()
		}
	})
}
