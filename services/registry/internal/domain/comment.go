package domain

import (
	"strings"
	"unicode/utf8"
)

// MaxComment is the longest comment, in bytes.
const MaxComment = 65535

// ParseComment checks free text. NUL is refused because PostgreSQL cannot store it in a text.
func ParseComment(s string) (string, error) {
	switch {
	case len(s) > MaxComment:
		return "", invalid("COMMENT_INVALID", "the comment is %d bytes long, at most %d", len(s), MaxComment)
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return "", invalid("COMMENT_INVALID", "the comment is not valid UTF-8 text")
	}
	return s, nil
}
