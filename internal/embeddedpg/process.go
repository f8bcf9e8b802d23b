package embeddedpg

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// errExited means that the server's process ended while it was starting.
var errExited = errors.New("PostgreSQL ended while it was starting")

// process is a running server.
type process struct {
	command *exec.Cmd
	// done is closed when the process has ended. Then err says how.
	done chan struct{}
	err  error
}

// startProcess starts a command on its own thread, which lives as long as the
// command. The thread is needed because the system sends the "parent died" signal
// when the thread that started the process ends, not when the parent process does.
func startProcess(command *exec.Cmd) (*process, error) {
	p := &process{command: command, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this function
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

// stop asks the server to close its connections and end. If that takes too long, the
// server is killed; then the next start only takes longer, because of recovery.
func (p *process) stop() error {
	for _, step := range []struct {
		signal  syscall.Signal
		timeout time.Duration
	}{
		{syscall.SIGINT, 30 * time.Second}, // fast shutdown
		{syscall.SIGQUIT, 5 * time.Second}, // immediate shutdown
		{syscall.SIGKILL, 5 * time.Second},
	} {
		_ = p.command.Process.Signal(step.signal)
		select {
		case <-p.done:
			return nil
		case <-time.After(step.timeout):
		}
	}
	return fmt.Errorf("PostgreSQL (process %d) doesn't end", p.pid())
}
