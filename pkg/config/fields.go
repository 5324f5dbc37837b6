package config

import (
	"encoding"
	"reflect"
	"strings"
	"time"
)

// field is one setting: a leaf of the struct, known by its dotted key.
type field struct {
	Key   string
	Doc   string
	Value reflect.Value
}

// fields lists the leaves of a struct in the order of its source.
func fields(v reflect.Value, prefix string) []field {
	var out []field
	eachField(v.Type(), func(f reflect.StructField, name string, inline bool) {
		fv := v.FieldByIndex(f.Index)
		switch {
		case inline:
			out = append(out, fields(fv, prefix)...)
		case isSection(f.Type):
			out = append(out, fields(fv, prefix+name+".")...)
		default:
			out = append(out, field{Key: prefix + name, Doc: f.Tag.Get("doc"), Value: fv})
		}
	})
	return out
}

// eachField calls visit for each field that a file can set, with its name there. The rules are those of the YAML decoder:
// `yaml:"-"` is not a setting, a field without a tag is its name in lower case, `,inline` lends its fields to its parent.
func eachField(t reflect.Type, visit func(f reflect.StructField, name string, inline bool)) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		visit(f, name, strings.Contains(options, "inline"))
	}
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// isSection reports whether a type is a struct of settings and not one value written as text.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(textUnmarshaler) && t != reflect.TypeFor[time.Time]()
}
