// Package conditional has the entity tags of RFC 9110, with which a client asks for an
// answer only if it has changed.
package conditional

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Tag returns the strong entity tag of a body, in quotes. Equal bodies have equal tags,
// on every replica.
func Tag(body []byte) string {
	const enough = 16 // bytes, so that no two bodies have the same tag
	digest := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(digest[:enough]) + `"`
}

// Matches says whether the value of an If-None-Match header names a tag. As the RFC
// requires, W/"x" names "x" too, and * any.
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
