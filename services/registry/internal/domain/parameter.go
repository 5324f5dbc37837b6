package domain

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"unicode/utf8"
)

var parameterName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,63}$`)

// parameterRules are for the parameters that every engine and provider knows; others pass as they are, for the engine
// that knows them.
var parameterRules = map[string]struct {
	want string
	ok   func(v any) bool
}{
	"temperature": {"a number of at least 0", func(v any) bool { n, ok := v.(float64); return ok && n >= 0 }},
	"top_p":       {"a number above 0, at most 1", func(v any) bool { n, ok := v.(float64); return ok && n > 0 && n <= 1 }},
	"max_tokens":  {"a whole number above 0", func(v any) bool { n, ok := v.(float64); return ok && n >= 1 && n == math.Trunc(n) }},
	"stop":        {"a text or a list of texts", isStop},
}

func isStop(v any) bool {
	list, ok := v.([]any)
	if !ok {
		_, ok = v.(string)
		return ok
	}
	for _, s := range list {
		if _, ok := s.(string); !ok {
			return false
		}
	}
	return len(list) > 0
}

// cleanParameters checks generation parameters and writes their JSON without white space.
func cleanParameters(in map[string]string) (map[string]string, error) {
	if len(in) > MaxParameters {
		return nil, invalid("PARAMETER_INVALID", "%d parameters are too many, at most %d", len(in), MaxParameters)
	}
	out := make(map[string]string, len(in))
	for name, text := range in {
		if !parameterName.MatchString(name) {
			return nil, invalid("PARAMETER_INVALID", "%q is no parameter name: want lower-case letters, digits and _", name)
		}
		if len(text) > MaxParameter {
			return nil, invalid("PARAMETER_INVALID", "the parameter %s is %d bytes long, at most %d", name, len(text), MaxParameter)
		}
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil || !utf8.ValidString(text) {
			return nil, invalid("PARAMETER_INVALID", "the parameter %s is not a JSON value: %q", name, shorten(text))
		}
		if rule, known := parameterRules[name]; known && !rule.ok(value) {
			return nil, invalid("PARAMETER_INVALID", "the parameter %s is %s, want %s", name, shorten(text), rule.want)
		}
		var b bytes.Buffer
		_ = json.Compact(&b, []byte(text)) // it has just been read
		out[name] = b.String()
	}
	return out, nil
}
