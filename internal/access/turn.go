package access

import "context"

// Turn waits until it is the turn of a context's caller, so that no caller keeps others from
// what is scarce. The function that it returns ends the turn, and must be called once.
type Turn func(ctx context.Context) (end func(), err error)

// wait is the turn, or at once if it is nil.
func (t Turn) wait(ctx context.Context) (end func(), err error) {
	if t == nil {
		return func() {}, nil
	}
	return t(ctx)
}
