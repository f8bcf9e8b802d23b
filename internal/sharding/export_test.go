package sharding

// For the tests, which use package pgtest, and that uses this one.

var Hash = hash //nolint:gochecknoglobals // a function

// Of returns shards whose ranges begin with these hashes.
func Of(firsts ...int32) *Shards { return &Shards{firsts: firsts} }
