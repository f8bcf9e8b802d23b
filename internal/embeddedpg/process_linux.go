package embeddedpg

import "syscall"

// attributes makes a command run as the owner, out of reach of the terminal's
// Ctrl-C, which the service handles for both; and makes the system shut the
// server down if this process dies without a chance to do so itself.
func attributes(owner owner) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Credential: owner.credential,
		Setpgid:    true,
		Pdeathsig:  syscall.SIGINT,
	}
}
