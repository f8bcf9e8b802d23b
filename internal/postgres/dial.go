package postgres

import (
	"net"
	"time"
)

// A host that is gone without a word is noticed within some ten seconds, so that
// requests don't wait for it until they time out, and the next ones find another
// connection: by unanswered probes if nothing is under way, or else by the time for
// which the kernel waits until what was sent is acknowledged.
const (
	probeAfter     = 3 * time.Second
	probeEvery     = 2 * time.Second
	lostProbes     = 3
	unacknowledged = 8 * time.Second
)

// newDialer returns the dialer for connections to the database. Its options are only for
// TCP; they mean nothing on a Unix socket.
func newDialer(connectTimeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:         connectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: probeAfter, Interval: probeEvery, Count: lostProbes},
		Control:         limitUnacknowledged,
	}
}
