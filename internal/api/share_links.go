package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/internal/access"
	"learninglog/internal/problem"
)

// NewShareLink is a share link that is to be created. It documents what decodeShareLink reads.
type NewShareLink struct {
	_ struct{} `additionalProperties:"false"`

	Name      string     `json:"name" minLength:"1" maxLength:"100" example:"Grandma" doc:"Whom it is for, so that the learner knows."`
	ExpiresAt *time.Time `json:"expires_at,omitempty" required:"false" doc:"Until when it is good: within a year. Default: for 30 days."`
}

// ShareLink is a share link, without its secret.
type ShareLink struct {
	ID         int64      `json:"id"`
	Name       string     `json:"name" example:"Grandma"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty" doc:"Up to some minutes late."`
}

// CreatedShareLink is a new share link.
type CreatedShareLink struct {
	ShareLink

	Link string `json:"link" format:"uri-reference" example:"/shared/lls_3xQz…" doc:"The link itself, below the address by which people reach the service. It is shown this one time. Followed by /streak.svg or /calendar.svg, it leads to a badge, in the language of whoever sees it."`
}

// ShareLinkList is a list of share links.
type ShareLinkList struct {
	ShareLinks []ShareLink `json:"share_links" nullable:"false" doc:"Newest first, without those that have expired or were revoked."`
}

type (
	newShareLinkInput struct {
		payload

		UserID string `path:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Whose page it shows."`
	}
	createdShareLinkOutput struct {
		CacheControl string `header:"Cache-Control"`
		Body         CreatedShareLink
	}
	shareLinksOutput struct{ Body ShareLinkList }
	shareLinkInput   struct {
		UserID string `path:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Whose page it shows."`
		ID     int64  `path:"id" minimum:"1" example:"7" doc:"The link's id."`
	}
)

func (s *server) documentCreateShareLink() huma.Operation {
	return huma.Operation{
		OperationID: "create-share-link",
		Summary:     "Share the page of a learner by a link",
		Description: "Whoever has the link sees the learner's page, with the display name if one is set, and its badges, without logging in, and nothing else: " +
			"nothing of the API, no list of logs, no request ids, no export, no settings, and nothing can be changed. The link itself is in this answer alone. " +
			"If there is no answer, look for it in the list and revoke it: asking again makes another one. A learner can have 20 at a time. " +
			"There are links only where the service asks who somebody is (--auth).",
		Tags:          []string{tagLearners},
		DefaultStatus: http.StatusCreated,
		RequestBody:   requestBody(true, "What the link is to be.", examplesOf(schemaOf[NewShareLink](s), map[string]any{"name": "Grandma"})),
	}
}

func documentListShareLinks() huma.Operation {
	return huma.Operation{OperationID: "list-share-links", Summary: "List the links by which a learner's page is shared", Tags: []string{tagLearners}}
}

func documentRevokeShareLink() huma.Operation {
	return huma.Operation{
		OperationID: "revoke-share-link",
		Summary:     "Revoke a share link",
		Description: "It leads nowhere from then on. Caches may show its badges for some minutes.",
		Tags:        []string{tagLearners},
	}
}

// checkShareLinks returns a problem where nobody is asked who they are: there, everybody sees
// every page, and whoever made links would have them when somebody is asked.
func (s *server) checkShareLinks() error {
	if s.ShareLinks == nil {
		return problem.NotFound.New("Share links are of use only where the service asks who somebody is: --auth.")
	}
	return nil
}

func (s *server) createShareLink(ctx context.Context, input *newShareLinkInput) (*createdShareLinkOutput, error) {
	if err := s.checkShareLinks(); err != nil {
		return nil, err
	}
	user, err := pathUUID(userInPath, input.UserID)
	if err != nil {
		return nil, err
	}
	if _, err := input.mediaType(mediaJSON); err != nil {
		return nil, err
	}
	text, _, err := input.read(ctx, maxKeyBytes, nil)
	if err != nil {
		return nil, err
	}
	wanted, err := decodeShareLink(text)
	if err != nil {
		return nil, err
	}
	wanted.UserID = user
	done, err := s.beginChange(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := s.finish(ctx)
	defer cancel()
	link, secret, err := s.ShareLinks.Create(ctx, wanted)
	if err != nil {
		return nil, err
	}
	return &createdShareLinkOutput{
		CacheControl: "no-store",
		Body:         CreatedShareLink{ShareLink: fromShareLink(link), Link: access.SharePath + secret},
	}, nil
}

// decodeShareLink reads a NewShareLink.
func decodeShareLink(text []byte) (access.NewShareLink, error) {
	o, err := newObject("body", text)
	if err != nil {
		return access.NewShareLink{}, err
	}
	now := time.Now()
	wanted := access.NewShareLink{Name: o.takeString("name"), ExpiresAt: now.Add(access.ShareLinkLasts)}
	if expires := o.takeInstant("expires_at"); expires != nil {
		wanted.ExpiresAt = *expires
	}
	if wrong := o.finish("name", "expires_at"); wrong != nil {
		return access.NewShareLink{}, problem.Invalid.New("", wrong...)
	}
	err = wanted.Check(now)
	if wrong, ok := errors.AsType[*access.InvalidError](err); ok {
		return access.NewShareLink{}, problem.Invalid.New("", problem.Field{Location: "body." + string(wrong.Field), Message: wrong.Message})
	}
	return wanted, err
}

func (s *server) listShareLinks(ctx context.Context, input *userInput) (*shareLinksOutput, error) {
	if err := s.checkShareLinks(); err != nil {
		return nil, err
	}
	user, err := pathUUID(userInPath, input.UserID)
	if err != nil {
		return nil, err
	}
	done, err := s.beginRead(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer done()
	listed, err := s.ShareLinks.List(ctx, user)
	if err != nil {
		return nil, err
	}
	output := &shareLinksOutput{Body: ShareLinkList{ShareLinks: make([]ShareLink, len(listed))}}
	for i, link := range listed {
		output.Body.ShareLinks[i] = fromShareLink(link)
	}
	return output, nil
}

func (s *server) revokeShareLink(ctx context.Context, input *shareLinkInput) (*struct{}, error) {
	if err := s.checkShareLinks(); err != nil {
		return nil, err
	}
	user, err := pathUUID(userInPath, input.UserID)
	if err != nil {
		return nil, err
	}
	done, err := s.beginChange(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := s.finish(ctx)
	defer cancel()
	_, err = s.ShareLinks.Revoke(ctx, user, input.ID)
	if errors.Is(err, access.ErrNotFound) {
		return nil, problem.NotFound.New("The learner has no link with this id: it has expired or was revoked.")
	}
	return nil, err
}

func fromShareLink(link access.ShareLink) ShareLink {
	return ShareLink{
		ID:         link.ID,
		Name:       link.Name,
		CreatedAt:  link.CreatedAt.UTC(),
		ExpiresAt:  link.ExpiresAt.UTC(),
		LastUsedAt: inUTC(link.LastUsedAt),
	}
}
