// Package etag implements the entity tags (ETags) of RFC 9110. With them, a
// client gets a response only if it has changed.
package etag

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Of returns the strong entity tag of a body, in quotes. Equal bodies have equal
// tags on every replica.
func Of(body []byte) string {
	const enough = 16 // bytes; enough that two bodies never have the same tag
	digest := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(digest[:enough]) + `"`
}

// Matches reports whether the value of an If-None-Match header matches a tag. As the
// RFC requires, W/"x" matches "x", and * matches every tag.
func Matches(ifNoneMatch, tag string) bool {
	if ifNoneMatch == "" {
		return false
	}
	for named := range strings.SplitSeq(ifNoneMatch, ",") {
		named = strings.TrimPrefix(strings.TrimSpace(named), "W/")
		if named == tag || named == "*" {
			return true
		}
	}
	return false
}
