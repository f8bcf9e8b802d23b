package main

import (
	"learninglog/internal/metrics"
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
