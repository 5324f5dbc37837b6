package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Reference writes the manual of a configuration as a Markdown table: key, type, default, environment variable, meaning.
// The defaults are the values in dst, a pointer to a struct; secrets are shown redacted.
func Reference(w io.Writer, dst any) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fault.New("config.Reference", fault.Internal, "source must be a pointer to a struct, not %T", dst)
	}
	if _, err := fmt.Fprint(w, "| key | type | default | environment | meaning |\n|---|---|---|---|---|\n"); err != nil {
		return err
	}
	for _, f := range fields(v.Elem(), "") {
		shown, err := defaultText(f.Value)
		if err != nil {
			return fault.Wrap("config.Reference", fault.Internal, err, "the default of %s cannot be written", f.Key)
		}
		env := variable(Prefix, f.Key)
		if f.Value.Kind() == reflect.Map {
			env += "_*"
		}
		if _, err := fmt.Fprintf(w, "| `%s` | %s | %s | `%s` | %s |\n", f.Key, typeName(f.Value.Type()), shown, env, cell(f.Doc)); err != nil {
			return err
		}
	}
	return nil
}

func defaultText(v reflect.Value) (string, error) {
	if v.IsZero() {
		return "", nil
	}
	b, err := yaml.Marshal(v.Interface())
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(b))
	return "`" + cell(strings.ReplaceAll(text, "\n", ", ")) + "`", nil
}

// cell keeps text inside one cell of a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "|", "\\|"), "\n", " ")
}

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Secret]():
		return "secret"
	case reflect.TypeFor[Duration]():
		return "duration"
	case reflect.TypeFor[Bytes]():
		return "size"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return "map to " + typeName(t.Elem())
	case reflect.Struct:
		return "section"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "integer"
	case reflect.Float32, reflect.Float64:
		return "number"
	}
	return t.Kind().String()
}
