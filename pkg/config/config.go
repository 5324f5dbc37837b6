// Package config reads what an operator sets. A program fills a struct with its defaults and Load lays the file, the
// environment and the flags over it, each stronger than the one before. Reading is strict: a key that the program does
// not know is an error that names the key and its line, because a misspelt setting that is silently ignored is found in
// production. A field is known by its `yaml` tag and explained by its `doc` tag, from which Reference writes the manual.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Prefix is the prefix of the environment variables when Options name none.
const Prefix = "SLIPWAY"

// Options say where settings come from.
type Options struct {
	File           string            // a YAML file; "" for none. One that does not exist is an error
	EnvPrefix      string            // "" is Prefix; SLIPWAY_REGISTRY_STORE_URL sets registry.store.url
	Environ        []string          // "KEY=value" as os.Environ gives them; nil reads no environment
	Set            map[string]string // from flags: dotted key → value; strongest
	IgnoreSections []string          // top-level keys of the file that belong to other programs
}

// Load lays file, environment and flags over the defaults in dst, a pointer to a struct. Errors are fault.Invalid (and
// NotFound for a missing file), and name the key; those of the file name the line too.
func Load(dst any, o Options) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fault.New("config.Load", fault.Internal, "destination must be a pointer to a struct, not %T", dst)
	}
	if o.EnvPrefix == "" {
		o.EnvPrefix = Prefix
	}
	if err := loadFile(v.Elem(), o); err != nil {
		return err
	}
	if err := loadEnviron(v.Elem(), o.EnvPrefix, o.Environ); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(o.Set)) {
		if err := set(v.Elem(), key, o.Set[key]); err != nil {
			return invalid("flag --set %s: %v", key, err)
		}
	}
	return nil
}

func loadFile(v reflect.Value, o Options) error {
	root, err := parse(o.File)
	if err != nil || root == nil {
		return err
	}
	ignored := make(map[string]bool)
	for _, s := range o.IgnoreSections {
		ignored[sectionName(s)] = true
	}
	if root.Kind == yaml.MappingNode {
		kept := root.Content[:0]
		for i := 0; i+1 < len(root.Content); i += 2 {
			if !ignored[sectionName(root.Content[i].Value)] {
				kept = append(kept, root.Content[i], root.Content[i+1])
			}
		}
		root.Content = kept
	}
	if err := checkKeys(o.File, "", root, v.Type()); err != nil {
		return err
	}
	if err := root.Decode(v.Addr().Interface()); err != nil {
		return invalid("%s: %s", o.File, decodeText(err))
	}
	return nil
}

// parse is the first document of a file; nil when there is nothing in it.
func parse(file string) (*yaml.Node, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap("config.Load", fault.NotFound, err, "configuration file %s does not exist", file)
	}
	if err != nil {
		return nil, fault.Wrap("config.Load", fault.Invalid, err, "configuration file %s cannot be read", file)
	}
	defer f.Close()
	var doc yaml.Node
	switch err := yaml.NewDecoder(f).Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, invalid("%s: %s", file, decodeText(err))
	case len(doc.Content) == 0:
		return nil, nil
	}
	return doc.Content[0], nil
}

// Keys are the keys below the mapping at a dotted path of a YAML file, in order; none when the path is not there. A main
// uses it to learn, before it loads, which sections of a shared file are other programs'.
func Keys(file, path string) ([]string, error) {
	n, err := parse(file)
	if err != nil || n == nil {
		return nil, err
	}
	for part := range strings.SplitSeq(path, ".") {
		if part == "" {
			continue
		}
		if n = child(n, part); n == nil {
			return nil, nil
		}
	}
	var keys []string
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			keys = append(keys, n.Content[i].Value)
		}
	}
	return keys, nil
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// sectionName makes gpu-runtime, the name of a program, and gpu_runtime, a key, the same word.
func sectionName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// decodeText is the decoder's complaint on one line, without its prefix.
func decodeText(err error) string {
	var t *yaml.TypeError
	if errors.As(err, &t) {
		return strings.Join(errorTexts(t), "; ")
	}
	return strings.TrimPrefix(err.Error(), "yaml: ")
}

func invalid(format string, args ...any) error {
	return fault.New("config.Load", fault.Invalid, format, args...).WithReason("CONFIG_INVALID")
}

func errorTexts(t *yaml.TypeError) []string {
	texts := make([]string, len(t.Errors))
	for i, e := range t.Errors {
		texts[i] = fmt.Sprint(e)
	}
	return texts
}
