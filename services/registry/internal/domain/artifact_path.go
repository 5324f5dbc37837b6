package domain

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxPath is the longest path of a file inside a version, in bytes.
const MaxPath = 1024

// CleanPath is the rule for the path of a file inside a version: slash separated, relative, without `.` and `..`, without
// control characters, normalized to NFC. Whoever downloads a version writes these paths to a disk, so what some disk
// would read as something else (a backslash, a drive letter) is refused here, not repaired.
func CleanPath(path string) (string, error) {
	if !utf8.ValidString(path) {
		return "", invalid("PATH_INVALID", "the file path is not valid UTF-8")
	}
	path = norm.NFC.String(path)
	switch {
	case path == "":
		return "", invalid("PATH_INVALID", "the file path is empty")
	case len(path) > MaxPath:
		return "", invalid("PATH_INVALID", "the file path is %d bytes long, at most %d", len(path), MaxPath)
	case strings.ContainsFunc(path, unicode.IsControl):
		return "", invalid("PATH_INVALID", "the file path %q has a control character", path)
	case strings.ContainsAny(path, `\:`):
		return "", invalid("PATH_INVALID", `the file path %q has a \ or a colon`, path)
	case strings.HasPrefix(path, "/"):
		return "", invalid("PATH_INVALID", "the file path %q is absolute", path)
	}
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "" || part == "." || part == "..":
			return "", invalid("PATH_INVALID", "the file path %q has the part %q", path, part)
		case len(part) > MaxName:
			return "", invalid("PATH_INVALID", "a part of the file path is %d bytes long, at most %d", len(part), MaxName)
		}
	}
	return path, nil
}
