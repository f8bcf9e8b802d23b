//go:build !linux

package postgres

import "syscall"

// limitUnacknowledged does nothing: only Linux lets a program choose this time.
func limitUnacknowledged(string, string, syscall.RawConn) error { return nil }
