package erased

import "time"

// Age makes what is known older.
func Age(u *Users, by time.Duration) {
	known := *u.known.Load()
	known.asOf = known.asOf.Add(-by)
	u.known.Store(&known)
}
