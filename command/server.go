package command

import (
	"hash/maphash"
	"sync"

	"github.com/google/uuid"

	"learninglog/internal/sharding"
)

// server has the lanes whose batches go to the same server: to PostgreSQL, or to a node of
// a cluster. So a batch is committed there alone, and a node that is slow or away doesn't
// hold up what is meant for others.
type server struct {
	lanes []*lane
	// lookUps is the lane of logs that are probably recorded. Those that aren't go on to
	// the other lanes.
	lookUps *lane
}

// servers are those that have users' logs.
type servers struct {
	open  func() *server
	seed  maphash.Seed    // for the hashes that assign users to lanes
	nodes *sharding.Nodes // or nil, if there is one server

	mu     sync.RWMutex
	byNode map[string]*server
}

func newServers(nodes *sharding.Nodes, open func() *server) *servers {
	return &servers{open: open, seed: maphash.MakeSeed(), nodes: nodes, byNode: make(map[string]*server)}
}

// laneOf returns the lanes of all users at the moment: one share of a call must not be
// assigned by two layouts. In a cluster, a user's lane is one of the node that has the user,
// and the same for all users of a shard. Otherwise users are spread evenly by hashing their
// ids. Parts of an id may be equal for all users: in some kinds of UUID, everything but the
// time is. Clients may also choose ids freely.
func (s *servers) laneOf() func(user uuid.UUID) *lane {
	if s.nodes != nil {
		now := s.nodes.Now()
		return func(user uuid.UUID) *lane {
			place := now.Place(user)
			lanes := s.at(place.Node).lanes
			return lanes[place.Number%len(lanes)]
		}
	}
	lanes := s.at("").lanes
	return func(user uuid.UUID) *lane { return lanes[maphash.Bytes(s.seed, user[:])%uint64(len(lanes))] }
}

// lookUpsOf returns the lanes in which users' logs are looked up at the moment.
func (s *servers) lookUpsOf() func(user uuid.UUID) *lane {
	if s.nodes != nil {
		now := s.nodes.Now()
		return func(user uuid.UUID) *lane { return s.at(now.Place(user).Node).lookUps }
	}
	lookUps := s.at("").lookUps
	return func(uuid.UUID) *lane { return lookUps }
}

func (s *servers) at(node string) *server {
	s.mu.RLock()
	found := s.byNode[node]
	s.mu.RUnlock()
	if found != nil {
		return found
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byNode[node] == nil {
		s.byNode[node] = s.open()
	}
	return s.byNode[node]
}

// lanes returns all lanes.
func (s *servers) lanes() []*lane {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*lane
	for _, one := range s.byNode {
		all = append(append(all, one.lanes...), one.lookUps)
	}
	return all
}
