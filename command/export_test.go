package command

import "learninglog/internal/sharding"

// Store is the store of a recorder. Tests delay it, break it and count its calls.
type Store = store

// Change is what a Store writes for one log.
type Change = change

// ChangesOf returns the changes that record logs.
func ChangesOf(logs ...Log) []Change {
	changes := make([]Change, len(logs))
	for i, log := range logs {
		changes[i].Log = log
	}
	return changes
}

// RecordedLogs are the results of a Store.
type RecordedLogs = recordedLogs

// NewStore returns the store of a database, in UTC.
func NewStore(db database, nodes *sharding.Nodes) Store {
	return newStore(db, Config{Nodes: nodes}.withDefaults())
}

// NewRecorderOf returns a recorder that uses a store.
func NewRecorderOf(store Store, config Config) *Recorder {
	return newRecorder(store, config.withDefaults())
}

// KeysOf returns the keys of logs.
func KeysOf(logs ...Log) []logKey {
	keys := make([]logKey, len(logs))
	for i := range logs {
		keys[i] = logs[i].key()
	}
	return keys
}

// Queued returns how many logs are in the queues of the lanes. When all accepted
// calls have reached their lanes, these are all waiting logs.
func (r *Recorder) Queued() int {
	queued := 0
	for _, lane := range r.group.servers.lanes() {
		lane.mu.Lock()
		queued += lane.queued
		lane.mu.Unlock()
	}
	return queued
}

// FingerprintOf returns what recorders tell each other of a log.
func FingerprintOf(log Log) uint64 { return log.key().fingerprint() }

// Key identifies a log.
type Key = logKey
