package domain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of tags.
const (
	MaxTagKey   = 255      // bytes
	MaxTagValue = 16 << 10 // bytes
	MaxTags     = 256      // set or removed at once, and on one thing
)

// CheckTags checks tags to set and keys to remove. A key may not be in both: which of the two was meant?
func CheckTags(set map[string]string, remove []string) error {
	if len(set) > MaxTags || len(remove) > MaxTags {
		return invalid("TAG_INVALID", "%d tags are too many, at most %d", max(len(set), len(remove)), MaxTags)
	}
	for k, v := range set {
		if err := checkTagKey(k); err != nil {
			return err
		}
		switch {
		case len(v) > MaxTagValue:
			return invalid("TAG_INVALID", "the value of tag %q is %d bytes long, at most %d", k, len(v), MaxTagValue)
		case !utf8.ValidString(v) || strings.ContainsRune(v, 0):
			return invalid("TAG_INVALID", "the value of tag %q is not valid UTF-8 text", k)
		}
	}
	for _, k := range remove {
		if err := checkTagKey(k); err != nil {
			return err
		}
		if _, both := set[k]; both {
			return invalid("TAG_INVALID", "tag %q is to be both set and removed", k)
		}
	}
	return nil
}

func checkTagKey(k string) error {
	switch {
	case k == "" || len(k) > MaxTagKey:
		return invalid("TAG_INVALID", "a tag key is 1 to %d bytes long, this one is %d", MaxTagKey, len(k))
	case !utf8.ValidString(k) || strings.ContainsFunc(k, unicode.IsControl):
		return invalid("TAG_INVALID", "the tag key %q is not valid text on one line", k)
	}
	return nil
}
