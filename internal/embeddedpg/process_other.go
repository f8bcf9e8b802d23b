//go:build unix && !linux

package embeddedpg

import "syscall"

// attributes makes a command run as the owner, and keeps the terminal's Ctrl-C from
// it; the service handles Ctrl-C for both. A server that outlives its service is
// stopped at the next start.
func attributes(owner owner) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: owner.credential, Setpgid: true}
}
