// Package conditional is the entity tags of RFC 9110, with which a client asks only
// for what it doesn't have.
package conditional

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Tag returns the strong entity tag of a body: the same for the same bytes, whoever
// answers them.
func Tag(body []byte) string {
	const enough = 16 // bytes, that nobody finds another body with
	digest := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(digest[:enough]) + `"`
}

// Matches says whether the value of an If-None-Match header names a tag. As the
// RFC has it, weak tags count as their strong ones here.
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
