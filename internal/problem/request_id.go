package problem

import (
	"context"
	"log/slog"
)

type requestIDKey struct{}

// WithRequestID returns a context of the request with an id: the one under which it is
// logged, and which the client is told.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// LogID returns the id of the request for the log.
func LogID(ctx context.Context) slog.Attr {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return slog.String("http_request_id", id)
}
