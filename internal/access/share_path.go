package access

import "strings"

// SharePath is the beginning of the paths of share links. The secret of one follows it.
const SharePath = "/shared/"

// IsSharePath reports whether a path may have the secret of a share link.
func IsSharePath(path string) bool {
	return strings.HasPrefix(path, SharePath) || strings.Contains(path, linkPrefix)
}

// Unsecret returns a path as a log may have it, without the secret of a share link.
func Unsecret(path string) string {
	if !IsSharePath(path) {
		return path
	}
	return SharePath + "…"
}
