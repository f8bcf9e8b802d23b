// Package etag implements the entity tags (ETags) of RFC 9110. With them, a
// client gets a response only if it has changed.
package etag

import (
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Of returns the strong entity tag of a body, in quotes. Equal bodies have equal
// tags on every replica. Of two bodies that differ, one pair in 2^64 has equal tags; nobody
// gains by making such a pair, as a tag is only compared with that of the same resource.
func Of(body []byte) string {
	const base = 36 // the largest, so the shortest text
	return `"` + strconv.FormatUint(xxhash.Sum64(body), base) + `"`
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
