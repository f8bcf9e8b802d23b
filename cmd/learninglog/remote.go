package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// remote is something of a service, by its URL.
type remote struct{ url, key string }

// download writes what is there. It fails if that isn't complete.
func (r remote) download(ctx context.Context, to io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, http.NoBody)
	if err != nil {
		return err
	}
	if r.key != "" {
		request.Header.Set("Authorization", "Bearer "+r.key)
	}
	response, err := http.DefaultTransport.RoundTrip(request) // follows no redirects, which could lead the key elsewhere
	if err != nil {
		return fmt.Errorf("the service can't be reached: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		hint := ""
		if status := response.StatusCode; status == http.StatusUnauthorized || status == http.StatusForbidden {
			hint = " Set " + keyVariable + " to a key with the scope logs:read, or name a file that has one with --key-file: see learninglog key create --help"
		}
		return fmt.Errorf("the service answered %s%s%s", response.Status, reason(response.Body), hint)
	}
	if _, err := io.Copy(to, response.Body); err != nil {
		return fmt.Errorf("the export is not complete: %w", err)
	}
	return nil
}
