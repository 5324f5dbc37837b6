package domain

import (
	"strings"
	"time"
)

// SecurableType is a kind of thing that grants are given on.
type SecurableType string

// The types, from the root down.
const (
	TypeMetastore SecurableType = "metastore" // the whole registry; its full name is empty
	TypeCatalog   SecurableType = "catalog"
	TypeSchema    SecurableType = "schema"
	TypeModel     SecurableType = "model"
	TypePrompt    SecurableType = "prompt"
	TypeEndpoint  SecurableType = "endpoint"
)

// levels is how many names a full name of the type has.
var levels = map[SecurableType]int{TypeMetastore: 0, TypeCatalog: 1, TypeSchema: 2, TypeModel: 3, TypePrompt: 3, TypeEndpoint: 1}

var shapes = map[SecurableType]string{
	TypeCatalog: "catalog", TypeSchema: "catalog.schema", TypeModel: "catalog.schema.model",
	TypePrompt: "catalog.schema.prompt", TypeEndpoint: "endpoint",
}

// Ref names a securable, whether or not it exists. Only ParseRef and Ref.Path make one, so its name is always normalized.
type Ref struct {
	Type     SecurableType
	FullName string
}

// ParseRef checks and normalizes a full name.
func ParseRef(t SecurableType, fullName string) (Ref, error) {
	n, known := levels[t]
	if !known {
		return Ref{}, invalid("SECURABLE_INVALID", "there is no securable type %q", t)
	}
	if n == 0 {
		if fullName != "" {
			return Ref{}, invalid("SECURABLE_INVALID", "the metastore has no name")
		}
		return Ref{Type: t}, nil
	}
	parts := strings.Split(fullName, ".")
	if len(parts) != n {
		return Ref{}, invalid("NAME_INVALID", "%q is no full name of a %s: want %s", fullName, t, shapes[t])
	}
	for i, part := range parts {
		clean, err := cleanName("the name of the "+strings.Split(shapes[t], ".")[i], part)
		if err != nil {
			return Ref{}, err
		}
		parts[i] = clean
	}
	return Ref{Type: t, FullName: strings.Join(parts, ".")}, nil
}

// Path is the refs from the metastore down to r itself.
func (r Ref) Path() []Ref {
	root := Ref{Type: TypeMetastore}
	switch r.Type {
	case TypeMetastore:
		return []Ref{root}
	case TypeCatalog, TypeEndpoint:
		return []Ref{root, r}
	}
	parts := strings.SplitN(r.FullName, ".", 3)
	catalog := Ref{Type: TypeCatalog, FullName: parts[0]}
	if r.Type == TypeSchema {
		return []Ref{root, catalog, r}
	}
	return []Ref{root, catalog, {Type: TypeSchema, FullName: parts[0] + "." + parts[1]}, r}
}

// String is r for people: `model main.demo.chat`.
func (r Ref) String() string {
	if r.Type == TypeMetastore {
		return "the metastore"
	}
	return string(r.Type) + " " + r.FullName
}

// Securable is what every node of the tree has. LatestVersion is the highest number given out so far and 0 for things
// that have no versions.
type Securable struct {
	ID            string // stable; a thing deleted and made again under the same name is another thing
	ParentID      string // empty for the metastore
	Ref           Ref
	Comment       string
	Owner         string
	LatestVersion int64
	CreateTime    time.Time
	UpdateTime    time.Time
}

// MetastoreID is the id of the root, which is always there.
const MetastoreID = "metastore"

// Line is a registered model or a prompt: a securable with versions, aliases that point at them, and tags.
type Line struct {
	Securable
	Aliases map[string]int64
	Tags    map[string]string
}
