package command

// Store is where a recorder writes to: tests hold it, break it and count what
// it is asked for.
type Store = store

// RecordedLogs are what it returns.
type RecordedLogs = recordedLogs

// NewStore returns the store of a database, in UTC.
func NewStore(db database) Store { return newSQLStore(db, Config{}.withDefaults().Zone) }

// NewRecorderOf returns a recorder that writes to a store.
func NewRecorderOf(store Store, config Config) *Recorder {
	return newRecorder(store, config.withDefaults())
}

// KeysOf returns what logs are known by.
func KeysOf(logs ...Log) []logKey {
	keys := make([]logKey, len(logs))
	for i := range logs {
		keys[i] = logs[i].key()
	}
	return keys
}

// Queued returns how many logs are in the lanes' queues: as many as wait, once
// every call that was accepted has got there.
func (r *Recorder) Queued() int {
	queued := 0
	for _, lane := range r.group.lanes {
		lane.mu.Lock()
		queued += lane.queued
		lane.mu.Unlock()
	}
	return queued
}
