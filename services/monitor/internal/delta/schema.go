package delta

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Kind is the name of a Delta type, as it stands in the schema string.
type Kind string

// The kinds that this package reads and writes. Struct columns are refused
// when a schema is parsed: no table of ours has one, and half a struct reader
// would be worse than none.
const (
	String    Kind = "string"
	Binary    Kind = "binary"
	Long      Kind = "long"
	Integer   Kind = "integer"
	Short     Kind = "short"
	Byte      Kind = "byte"
	Double    Kind = "double"
	Float     Kind = "float"
	Boolean   Kind = "boolean"
	Date      Kind = "date"      // days since 1970-01-01
	Timestamp Kind = "timestamp" // microseconds since 1970-01-01T00:00:00Z
	Decimal   Kind = "decimal"   // unscaled integer; precision at most 18
	Array     Kind = "array"
	Map       Kind = "map"
)

// Type is a column type. Key is set for maps, Elem for arrays and maps,
// Precision and Scale for decimals.
type Type struct {
	Kind             Kind
	Precision, Scale int
	Key, Elem        *Type
}

// Of is the type of a kind without parameters.
func Of(k Kind) Type { return Type{Kind: k} }

// DecimalOf is decimal(precision, scale); precision is at most 18, so that the
// unscaled value fits an int64.
func DecimalOf(precision, scale int) Type {
	return Type{Kind: Decimal, Precision: precision, Scale: scale}
}

// ArrayOf is array<elem>.
func ArrayOf(elem Kind) Type { return Type{Kind: Array, Elem: &Type{Kind: elem}} }

// MapOf is map<key,elem>; keys are never null.
func MapOf(key, elem Kind) Type {
	return Type{Kind: Map, Key: &Type{Kind: key}, Elem: &Type{Kind: elem}}
}

// String is the type as Delta and SQL print it.
func (t Type) String() string {
	switch t.Kind {
	case Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case Array:
		return "array<" + t.Elem.String() + ">"
	case Map:
		return "map<" + t.Key.String() + "," + t.Elem.String() + ">"
	default:
		return string(t.Kind)
	}
}

// nested reports whether a value of the type holds other values.
func (t Type) nested() bool { return t.Kind == Array || t.Kind == Map }

// Field is a column. Comment travels in the field's metadata, where engines
// show it beside the column.
type Field struct {
	Name     string
	Type     Type
	Nullable bool
	Comment  string
	// Extra is the rest of the field's metadata, kept as it was read.
	Extra map[string]json.RawMessage
}

// Schema is an ordered list of columns.
type Schema struct {
	Fields []Field
}

// Index is the position of the column called name, or -1.
func (s *Schema) Index(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// Project is the schema of the named columns, in that order. An unknown name
// is an error.
func (s *Schema) Project(names ...string) (*Schema, error) {
	p := &Schema{Fields: make([]Field, 0, len(names))}
	for _, n := range names {
		i := s.Index(n)
		if i < 0 {
			return nil, fmt.Errorf("delta: no column %q", n)
		}
		p.Fields = append(p.Fields, s.Fields[i])
	}
	return p, nil
}

// Without is the schema less the named columns; unknown names are ignored.
func (s *Schema) Without(names ...string) *Schema {
	p := &Schema{Fields: make([]Field, 0, len(s.Fields))}
	for _, f := range s.Fields {
		if !contains(names, f.Name) {
			p.Fields = append(p.Fields, f)
		}
	}
	return p
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

type fieldJSON struct {
	Name     string                     `json:"name"`
	Type     json.RawMessage            `json:"type"`
	Nullable bool                       `json:"nullable"`
	Metadata map[string]json.RawMessage `json:"metadata"`
}

type nestedJSON struct {
	Type              string          `json:"type"`
	Fields            []fieldJSON     `json:"fields,omitempty"`
	ElementType       json.RawMessage `json:"elementType,omitempty"`
	ContainsNull      *bool           `json:"containsNull,omitempty"`
	KeyType           json.RawMessage `json:"keyType,omitempty"`
	ValueType         json.RawMessage `json:"valueType,omitempty"`
	ValueContainsNull *bool           `json:"valueContainsNull,omitempty"`
}

// MarshalString is the schema in the form of metaData.schemaString.
func (s *Schema) MarshalString() (string, error) {
	top := struct {
		Type   string      `json:"type"`
		Fields []fieldJSON `json:"fields"`
	}{Type: "struct", Fields: make([]fieldJSON, 0, len(s.Fields))}
	for _, f := range s.Fields {
		t, err := marshalType(f.Type)
		if err != nil {
			return "", err
		}
		meta := map[string]json.RawMessage{}
		for k, v := range f.Extra {
			meta[k] = v
		}
		if f.Comment != "" {
			if meta["comment"], err = json.Marshal(f.Comment); err != nil {
				return "", err
			}
		}
		top.Fields = append(top.Fields, fieldJSON{Name: f.Name, Type: t, Nullable: f.Nullable, Metadata: meta})
	}
	b, err := json.Marshal(top)
	return string(b), err
}

func marshalType(t Type) (json.RawMessage, error) {
	if !t.nested() {
		return json.Marshal(t.String())
	}
	elem, err := marshalType(*t.Elem)
	if err != nil {
		return nil, err
	}
	yes := true
	if t.Kind == Array {
		return json.Marshal(nestedJSON{Type: "array", ElementType: elem, ContainsNull: &yes})
	}
	key, err := marshalType(*t.Key)
	if err != nil {
		return nil, err
	}
	return json.Marshal(nestedJSON{Type: "map", KeyType: key, ValueType: elem, ValueContainsNull: &yes})
}

// ParseSchema reads a schema string.
func ParseSchema(text string) (*Schema, error) {
	var top nestedJSON
	if err := json.Unmarshal([]byte(text), &top); err != nil {
		return nil, fmt.Errorf("delta: schema string: %w", err)
	}
	if top.Type != "struct" {
		return nil, fmt.Errorf("delta: schema string: a table is a struct, not %q", top.Type)
	}
	s := &Schema{Fields: make([]Field, 0, len(top.Fields))}
	for _, f := range top.Fields {
		t, err := parseType(f.Type)
		if err != nil {
			return nil, fmt.Errorf("delta: column %q: %w", f.Name, err)
		}
		field := Field{Name: f.Name, Type: t, Nullable: f.Nullable}
		for k, v := range f.Metadata {
			if k == "comment" && json.Unmarshal(v, &field.Comment) == nil {
				continue
			}
			if field.Extra == nil {
				field.Extra = map[string]json.RawMessage{}
			}
			field.Extra[k] = v
		}
		s.Fields = append(s.Fields, field)
	}
	return s, nil
}

func parseType(raw json.RawMessage) (Type, error) {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return parseName(name)
	}
	var n nestedJSON
	if err := json.Unmarshal(raw, &n); err != nil {
		return Type{}, err
	}
	switch n.Type {
	case "array":
		elem, err := parseScalar(n.ElementType)
		return Type{Kind: Array, Elem: &elem}, err
	case "map":
		key, err := parseScalar(n.KeyType)
		if err != nil {
			return Type{}, err
		}
		elem, err := parseScalar(n.ValueType)
		return Type{Kind: Map, Key: &key, Elem: &elem}, err
	default:
		return Type{}, &UnsupportedError{What: "type " + n.Type}
	}
}

// parseScalar reads the type of an element: nesting is one level deep.
func parseScalar(raw json.RawMessage) (Type, error) {
	t, err := parseType(raw)
	if err == nil && t.nested() {
		return Type{}, &UnsupportedError{What: "nested type " + t.String()}
	}
	return t, err
}

func parseName(name string) (Type, error) {
	switch k := Kind(name); k {
	case String, Binary, Long, Integer, Short, Byte, Double, Float, Boolean, Date, Timestamp:
		return Type{Kind: k}, nil
	}
	if args, ok := strings.CutPrefix(name, "decimal("); ok {
		p, sc, _ := strings.Cut(strings.TrimSuffix(args, ")"), ",")
		precision, err1 := strconv.Atoi(strings.TrimSpace(p))
		scale, err2 := strconv.Atoi(strings.TrimSpace(sc))
		if err1 == nil && err2 == nil && precision <= 18 {
			return DecimalOf(precision, scale), nil
		}
	}
	return Type{}, &UnsupportedError{What: "type " + name}
}
