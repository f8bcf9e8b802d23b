package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"learninglog/internal/access"
)

// ShareLinks records which share links are created and revoked.
type ShareLinks struct {
	*access.ShareLinks

	Trail *Trail
}

// Create is [access.ShareLinks.Create].
func (l ShareLinks) Create(ctx context.Context, wanted access.NewShareLink) (access.ShareLink, string, error) {
	link, secret, err := l.ShareLinks.Create(ctx, wanted)
	if err == nil {
		l.Trail.Record(ctx, ShareLinkCreated, describeShareLink(link)+", until "+link.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return link, secret, err
}

// Revoke is [access.ShareLinks.Revoke].
func (l ShareLinks) Revoke(ctx context.Context, learner uuid.UUID, id int64) (access.ShareLink, error) {
	link, err := l.ShareLinks.Revoke(ctx, learner, id)
	if err == nil {
		l.Trail.Record(ctx, ShareLinkRevoked, describeShareLink(link))
	}
	return link, err
}

func describeShareLink(link access.ShareLink) string {
	return fmt.Sprintf("share link %d (%q), of user %s", link.ID, link.Name, link.UserID)
}
