// Package panics turns panics of goroutines into errors. A panic that nobody recovers
// from ends the process, with everything that other goroutines are doing.
package panics

import (
	"fmt"
	"runtime/debug"
)

// Error is a panic, which is a bug in the program.
type Error struct {
	Cause any
	Stack []byte
}

// Error returns the cause and the stack.
func (e *Error) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Cause, e.Stack) }

// Caught calls f, and returns its panic as an [*Error], or nil.
func Caught(f func()) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &Error{cause, debug.Stack()}
		}
	}()
	f()
	return nil
}

// Returned calls f, and returns its error, or its panic as an [*Error].
func Returned(f func() error) (err error) {
	if caught := Caught(func() { err = f() }); caught != nil {
		return caught
	}
	return err
}
