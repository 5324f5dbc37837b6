package domain

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxName is the longest name of one level, in bytes of UTF-8 after normalization.
const MaxName = 255

// cleanName is the rule for one level of a full name, for an alias and for an endpoint: letters and digits of any script,
// `_` and `-`, at most MaxName bytes, beginning with anything but a combining mark. The name is normalized to NFC, so that
// two spellings which look alike and are canonically equivalent are one name; case is kept and tells names apart. what
// names the thing in the error.
func cleanName(what, s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", invalid("NAME_INVALID", "%s is not valid UTF-8", what)
	}
	s = norm.NFC.String(s)
	switch {
	case s == "":
		return "", invalid("NAME_INVALID", "%s is empty", what)
	case len(s) > MaxName:
		return "", invalid("NAME_INVALID", "%s is %d bytes long, at most %d", what, len(s), MaxName)
	}
	for i, r := range s {
		if !nameRune(r, i == 0) {
			return "", invalid("NAME_INVALID", "%s %q has the character %q: letters, digits, _ and - are allowed", what, s, r)
		}
	}
	return s, nil
}

// nameRune admits marks behind a letter: NFC keeps those that no single letter stands for, and whole scripts write vowels
// with them.
func nameRune(r rune, first bool) bool {
	return r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r) || !first && unicode.IsMark(r)
}

// ParsePrincipal is the rule for the name of a user, service account or group, as grants and owners carry it. Names of
// principals come from outside (mail addresses, subjects of tokens), so nearly everything is a name.
func ParsePrincipal(s string) (string, error) {
	switch {
	case !utf8.ValidString(s):
		return "", invalid("PRINCIPAL_INVALID", "the principal's name is not valid UTF-8")
	case s == "" || strings.TrimSpace(s) != s:
		return "", invalid("PRINCIPAL_INVALID", "the principal's name %q is empty or has spaces around it", s)
	case len(s) > MaxName:
		return "", invalid("PRINCIPAL_INVALID", "the principal's name is %d bytes long, at most %d", len(s), MaxName)
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", invalid("PRINCIPAL_INVALID", "the principal's name %q has a control character", s)
	}
	return norm.NFC.String(s), nil
}
