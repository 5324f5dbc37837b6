package config

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// loadEnviron sets every field whose variable is there. Variables that name no setting are left alone: the environment is
// shared, and SLIPWAY_TOKEN, say, is for a client. For a field of type Secret, NAME_FILE names a file that holds the value.
func loadEnviron(v reflect.Value, prefix string, environ []string) error {
	env := make(map[string]string, len(environ))
	for _, kv := range environ {
		if k, value, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(k, prefix+"_") {
			env[k] = value
		}
	}
	for _, f := range fields(v, "") {
		name := variable(prefix, f.Key)
		if f.Value.Kind() == reflect.Map {
			if err := loadMap(f.Value, name+"_", env); err != nil {
				return err
			}
		}
		text, ok := env[name]
		if file, from := env[name+"_FILE"]; from && f.Value.Type() == reflect.TypeFor[Secret]() {
			b, err := os.ReadFile(file)
			if err != nil {
				return invalid("%s_FILE: %v", name, err)
			}
			text, ok = strings.TrimRight(string(b), "\r\n"), true
		}
		if !ok {
			continue
		}
		if err := assign(f.Value, text); err != nil {
			return invalid("%s: %v", name, err)
		}
	}
	return nil
}

// loadMap sets the entries of a map of values: SLIPWAY_PEERS_GPU_RUNTIME sets peers.gpu-runtime, since the names in our
// maps are those of programs, which have hyphens where variables cannot.
func loadMap(m reflect.Value, prefix string, env map[string]string) error {
	for name, text := range env {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || rest == "" {
			continue
		}
		key := strings.ReplaceAll(strings.ToLower(rest), "_", "-")
		if err := assignEntry(m, key, text); err != nil {
			return invalid("%s: %v", name, err)
		}
	}
	return nil
}

// variable is the name of the environment variable of a dotted key.
func variable(prefix, key string) string {
	return prefix + "_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// set assigns text to the field, or to the entry of a map, at a dotted key.
func set(v reflect.Value, key, text string) error {
	for _, f := range fields(v, "") {
		if f.Key == key {
			return assign(f.Value, text)
		}
		if entry, ok := strings.CutPrefix(key, f.Key+"."); ok && f.Value.Kind() == reflect.Map {
			return assignEntry(f.Value, entry, text)
		}
		if strings.HasPrefix(f.Key, key+".") {
			return fmt.Errorf("%q is a section; set one of its keys, such as %q", key, f.Key)
		}
	}
	return errors.New("unknown key" + nearest(v, key))
}

func nearest(v reflect.Value, key string) string {
	known := make(map[string]reflect.Type)
	for _, f := range fields(v, "") {
		known[f.Key] = f.Value.Type()
	}
	return suggestion(key, "", known)
}

func assignEntry(m reflect.Value, key, text string) error {
	entry := reflect.New(m.Type().Elem()).Elem()
	if err := assign(entry, text); err != nil {
		return err
	}
	if m.IsNil() {
		m.Set(reflect.MakeMap(m.Type()))
	}
	m.SetMapIndex(reflect.ValueOf(key).Convert(m.Type().Key()), entry)
	return nil
}

// assign reads text into a field: as it stands into a string, by UnmarshalText where the type has it, comma-separated
// into a list of strings, and as YAML into everything else. An error does not repeat the text: it may be a secret.
func assign(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
		return nil
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String && !strings.HasPrefix(text, "["):
		list := reflect.MakeSlice(v.Type(), 0, 4)
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = reflect.Append(list, reflect.ValueOf(part).Convert(v.Type().Elem()))
			}
		}
		v.Set(list)
		return nil
	}
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil || len(n.Content) == 0 {
		return fmt.Errorf("not a %s", v.Type())
	}
	if err := checkKeys("value", "", n.Content[0], v.Type()); err != nil {
		return err
	}
	if err := n.Decode(v.Addr().Interface()); err != nil {
		return fmt.Errorf("not a %s", v.Type())
	}
	return nil
}
