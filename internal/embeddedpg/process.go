package embeddedpg

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// errExited is the error of a server whose process ends while it starts.
var errExited = errors.New("PostgreSQL ended while it was starting")

// process is a running server.
type process struct {
	command *exec.Cmd
	// done is closed when the process has ended, and err then says how.
	done chan struct{}
	err  error
}

// startProcess starts a command on a thread of its own, which lives as long as
// it does: the signal that the system sends when "the parent" dies is in truth
// sent when the thread dies that started it.
func startProcess(command *exec.Cmd) (*process, error) {
	p := &process{command: command, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this function
		err := command.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = command.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) pid() int { return p.command.Process.Pid }

// stop asks the server to close its connections and end; after a while it is
// made to end, which costs nothing but a recovery at the next start.
func (p *process) stop() error {
	for _, step := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{
		{syscall.SIGINT, 30 * time.Second}, // fast shutdown
		{syscall.SIGQUIT, 5 * time.Second}, // immediate shutdown
		{syscall.SIGKILL, 5 * time.Second},
	} {
		_ = p.command.Process.Signal(step.signal)
		select {
		case <-p.done:
			return nil
		case <-time.After(step.patience):
		}
	}
	return fmt.Errorf("PostgreSQL (process %d) doesn't end", p.pid())
}
