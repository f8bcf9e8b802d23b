package problem

import (
	"context"
	"log/slog"
)

type requestIDKey struct{}

// WithRequestID returns a context with the id of an HTTP request. The id is written
// to the log and sent to the client.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// LogID returns the id of the HTTP request as an attribute for the log.
func LogID(ctx context.Context) slog.Attr {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return slog.String("http_request_id", id)
}
