package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checkKeys walks a parsed file beside the type it is meant for. The decoder's own strictness names Go types and not the
// places of keys, and knows nothing of near misses; an operator needs the reverse.
func checkKeys(file, path string, n *yaml.Node, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Tag == "!!null" { // a key without a value leaves the default
		return nil
	}
	switch {
	case isSection(t):
		if n.Kind != yaml.MappingNode {
			return misfit(file, path, n, t)
		}
		return checkSection(file, path, n, t)
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			if err := checkKeys(file, path, item, t.Elem()); err != nil {
				return err
			}
		}
		return nil
	case t.Kind() == reflect.Map && n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if err := checkKeys(file, path+n.Content[i].Value+".", n.Content[i+1], t.Elem()); err != nil {
				return err
			}
		}
		return nil
	}
	return checkValue(file, path, n, t)
}

// checkValue tries a single value. A type that reads text says itself what it wants; of the others the decoder's
// complaint would show the value, which may be a secret in the wrong place.
func checkValue(file, path string, n *yaml.Node, t reflect.Type) error {
	err := n.Decode(reflect.New(t).Interface())
	var misfits *yaml.TypeError
	switch {
	case err == nil:
		return nil
	case n.Kind == yaml.ScalarNode && reflect.PointerTo(t).Implements(textUnmarshaler) && !errors.As(err, &misfits):
		return invalid("%s:%d: %s: %s", file, n.Line, strings.TrimSuffix(path, "."), decodeText(err))
	}
	return misfit(file, path, n, t)
}

func misfit(file, path string, n *yaml.Node, t reflect.Type) error {
	key := strings.TrimSuffix(path, ".")
	if key == "" {
		key = "the file"
	}
	return invalid("%s:%d: %s: want %s", file, n.Line, key, article(typeName(t)))
}

func checkSection(file, path string, n *yaml.Node, t reflect.Type) error {
	known := knownKeys(t)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Value == "<<" { // a merge brings in another mapping of the same kind
			if err := checkKeys(file, path, value, t); err != nil {
				return err
			}
			continue
		}
		ft, ok := known[key.Value]
		if !ok {
			return invalid("%s:%d: unknown key %q%s", file, key.Line, path+key.Value, suggestion(key.Value, path, known))
		}
		if err := checkKeys(file, path+key.Value+".", value, ft); err != nil {
			return err
		}
	}
	return nil
}

func knownKeys(t reflect.Type) map[string]reflect.Type {
	known := make(map[string]reflect.Type)
	eachField(t, func(f reflect.StructField, name string, inline bool) {
		if !inline {
			known[name] = f.Type
			return
		}
		for k, ft := range knownKeys(f.Type) {
			known[k] = ft
		}
	})
	return known
}

func suggestion(key, path string, known map[string]reflect.Type) string {
	best, distance := "", 3 // further than two edits is another word
	for name := range known {
		if d := editDistance(key, name); d < distance || d == distance && name < best {
			best, distance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean \"" + path + best + "\"?"
}

// editDistance is Levenshtein's: single insertions, deletions and substitutions.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		last := slices.Clone(row)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
		}
	}
	return row[len(b)]
}

func article(noun string) string {
	if strings.HasPrefix(noun, "i") {
		return "an " + noun
	}
	return "a " + noun
}
