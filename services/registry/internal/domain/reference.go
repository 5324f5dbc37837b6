package domain

import (
	"strconv"
	"strings"
)

// VersionRef is a reference to one version of a line, by number or by alias: `models:/main.demo.chat/3`,
// `prompts:/main.demo.greet@champion`. Exactly one of Version and Alias is set.
type VersionRef struct {
	Line    Ref
	Version int64
	Alias   string
}

var schemes = map[string]SecurableType{"models:/": TypeModel, "prompts:/": TypePrompt}

// ParseVersionRef reads a reference to a version of a model or a prompt; want says which.
func ParseVersionRef(want SecurableType, uri string) (VersionRef, error) {
	for scheme, t := range schemes {
		rest, ok := strings.CutPrefix(uri, scheme)
		if !ok || t != want {
			continue
		}
		return parseVersionRef(t, uri, rest)
	}
	return VersionRef{}, invalid("REFERENCE_INVALID", "%q is no reference to a %s version: want %ss:/catalog.schema.%s/3 or …@alias", uri, want, want, want)
}

func parseVersionRef(t SecurableType, uri, rest string) (VersionRef, error) {
	if name, alias, ok := strings.Cut(rest, "@"); ok {
		line, err := ParseRef(t, name)
		if err != nil {
			return VersionRef{}, err
		}
		alias, err = ParseAlias(alias)
		return VersionRef{Line: line, Alias: alias}, err
	}
	name, number, ok := strings.Cut(rest, "/")
	if !ok {
		return VersionRef{}, invalid("REFERENCE_INVALID", "%q names no version: add /3 or @alias", uri)
	}
	line, err := ParseRef(t, name)
	if err != nil {
		return VersionRef{}, err
	}
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil || version < 1 || number[0] == '+' || number[0] == '0' {
		return VersionRef{}, invalid("REFERENCE_INVALID", "%q is no version number", number)
	}
	return VersionRef{Line: line, Version: version}, nil
}

// VersionURI is the canonical reference to a version by number.
func VersionURI(line Ref, version int64) string {
	return string(line.Type) + "s:/" + line.FullName + "/" + strconv.FormatInt(version, 10)
}

// EndpointURI is the canonical reference to an endpoint.
func EndpointURI(name string) string { return "endpoints:/" + name }
