package embeddedpg

import "syscall"

// attributes makes a command run as the owner, and keeps the terminal's Ctrl-C from
// it; the service handles Ctrl-C for both. If this process dies without shutting the
// server down, the system does so.
func attributes(owner owner) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Credential: owner.credential,
		Setpgid:    true,
		Pdeathsig:  syscall.SIGINT,
	}
}
