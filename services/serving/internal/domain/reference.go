package domain

import (
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Scheme says what a reference points at.
type Scheme string

// The schemes of references.
const (
	Models  Scheme = "models"
	Prompts Scheme = "prompts"
)

// Reference names a version in the registry: by number, or by an alias that may move.
type Reference struct {
	Scheme  Scheme
	Name    string // catalog.schema.name
	Version int64  // > 0, or 0 when Alias is set
	Alias   string // without "@"
}

// ParseReference reads "models:/c.s.m/3", "models:/c.s.m@alias" and the same with "prompts:". Names are normalised to NFC,
// as the registry does: its events are compared with them.
func ParseReference(want Scheme, text string) (Reference, error) {
	rest, ok := strings.CutPrefix(norm.NFC.String(text), string(want)+":/")
	if !ok {
		return Reference{}, badReference(want, text, "it must begin with "+strconv.Quote(string(want)+":/"))
	}
	r := Reference{Scheme: want}
	if name, alias, found := strings.Cut(rest, "@"); found {
		r.Name, r.Alias = name, alias
		if alias == "" || strings.ContainsAny(alias, "@/ \t\r\n") {
			return Reference{}, badReference(want, text, "the alias after \"@\" is not a name")
		}
	} else {
		name, number, found := strings.Cut(rest, "/")
		version, err := strconv.ParseInt(number, 10, 64)
		if !found || err != nil || version <= 0 || strconv.FormatInt(version, 10) != number {
			return Reference{}, badReference(want, text, "it must end with \"/VERSION\" or \"@ALIAS\"")
		}
		r.Name, r.Version = name, version
	}
	if !threeLevels(r.Name) {
		return Reference{}, badReference(want, text, "the name must have three levels, catalog.schema.name")
	}
	return r, nil
}

// String is the reference as it is written.
func (r Reference) String() string {
	if r.Alias != "" {
		return string(r.Scheme) + ":/" + r.Name + "@" + r.Alias
	}
	return string(r.Scheme) + ":/" + r.Name + "/" + strconv.FormatInt(r.Version, 10)
}

// Follows reports whether what the reference means can change.
func (r Reference) Follows() bool { return r.Alias != "" }

func (r Reference) leaf() string { return r.Name[strings.LastIndexByte(r.Name, '.')+1:] }

func threeLevels(name string) bool {
	parts := strings.Split(name, ".")
	for _, p := range parts {
		if p == "" || strings.ContainsAny(p, "@/ \t\r\n") {
			return false
		}
	}
	return len(parts) == 3
}

func badReference(want Scheme, text, why string) error {
	return fault.New("serving.ParseReference", fault.Invalid, "%q is not a reference to %s: %s", text, want, why).
		WithReason("REFERENCE_INVALID")
}
