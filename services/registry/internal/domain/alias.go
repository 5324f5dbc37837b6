package domain

import "strings"

// ParseAlias is the rule for an alias: a name, but no number, which would be taken for a version, and not `latest`, which
// people read as "the highest version" whatever it points at.
func ParseAlias(s string) (string, error) {
	alias, err := cleanName("the alias", s)
	if err != nil {
		return "", err
	}
	if strings.Trim(alias, "0123456789") == "" {
		return "", invalid("ALIAS_INVALID", "the alias %q is a number and would be taken for a version", alias)
	}
	if strings.EqualFold(alias, "latest") {
		return "", invalid("ALIAS_INVALID", "the alias %q is reserved", alias)
	}
	return alias, nil
}
