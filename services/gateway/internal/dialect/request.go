package dialect

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Request is one scanned body. It refers to the body and is good as long as that is. A Request may be used again for another
// body, which saves its memory.
type Request struct {
	body    []byte
	members []member
	known   [fields]uint8 // 1 + the index into members; 0 is absent
}

type member struct {
	key   span // without quotes
	val   span
	field Field
}

// maxMembers bounds the search for duplicates among unknown names.
const maxMembers = 128

// Scan reads a JSON object strictly: RFC 8259, valid UTF-8, no member twice. fault.Invalid names what is wrong.
func (r *Request) Scan(body []byte) error {
	r.body, r.members, r.known = body, r.members[:0], [fields]uint8{}
	if !utf8.Valid(body) {
		return fault.New("dialect.Scan", fault.Invalid, "the body is not valid UTF-8").WithReason("INVALID_UTF8")
	}
	s := scanner{b: body}
	if s.peek() != '{' {
		return fault.New("dialect.Scan", fault.Invalid, "the body must be a JSON object").WithReason("INVALID_JSON")
	}
	if err := s.object(0, r.note); err != nil {
		return err
	}
	if s.peek(); s.at != len(body) {
		return syntax(s.at)
	}
	return nil
}

func (r *Request) note(key, val span) error {
	name := key.of(r.body)
	if bytes.IndexByte(name, '\\') >= 0 { // "mod\u0065l" is "model" to everybody behind us
		name = unquote(nil, name)
	}
	f := fieldOf(name)
	if r.known[f] != 0 && f != unknown || f == unknown && r.hasUnknown(name) {
		return param(string(name), "DUPLICATE_MEMBER", "the member %s is given twice", strconv.Quote(string(name)))
	}
	if len(r.members) == maxMembers {
		return fault.New("dialect.Scan", fault.Invalid, "the body has more than %d members", maxMembers).WithReason("INVALID_JSON")
	}
	r.members = append(r.members, member{key: key, val: val, field: f})
	if f != unknown {
		r.known[f] = uint8(len(r.members))
	}
	return nil
}

func (r *Request) hasUnknown(name []byte) bool {
	for _, m := range r.members {
		if m.field != unknown {
			continue
		}
		other := m.key.of(r.body)
		if bytes.IndexByte(other, '\\') >= 0 {
			other = unquote(nil, other)
		}
		if bytes.Equal(other, name) {
			return true
		}
	}
	return false
}

// Body is what was scanned.
func (r *Request) Body() []byte { return r.body }

// Has says whether f is given and not null.
func (r *Request) Has(f Field) bool { return r.raw(f) != nil }

// raw is f's value as it stands; nil when it is absent or null, which OpenAI's clients send for what was not set.
func (r *Request) raw(f Field) []byte {
	i := r.known[f]
	if i == 0 {
		return nil
	}
	raw := r.members[i-1].val.of(r.body)
	if isNull(raw) {
		return nil
	}
	return raw
}

// Str is f as a string; "" when absent.
func (r *Request) Str(f Field) (string, error) {
	raw := r.raw(f)
	if raw == nil {
		return "", nil
	}
	if s, ok := text(raw); ok {
		return s, nil
	}
	return "", wrongType(f, "a string")
}

// Bool is f as a boolean; false when absent.
func (r *Request) Bool(f Field) (bool, error) {
	switch raw := r.raw(f); {
	case raw == nil || string(raw) == "false":
		return false, nil
	case string(raw) == "true":
		return true, nil
	}
	return false, wrongType(f, "a boolean")
}

// Int is f as an integer; false when absent.
func (r *Request) Int(f Field) (n int64, given bool, err error) {
	raw := r.raw(f)
	if raw == nil {
		return 0, false, nil
	}
	if n, ok := integer(raw); ok {
		return n, true, nil
	}
	return 0, true, wrongType(f, "an integer")
}

// Float is f as a number; false when absent.
func (r *Request) Float(f Field) (x float64, given bool, err error) {
	raw := r.raw(f)
	if raw == nil {
		return 0, false, nil
	}
	if x, err := strconv.ParseFloat(string(raw), 64); err == nil {
		return x, true, nil
	}
	return 0, true, wrongType(f, "a number")
}

// Model is the model's name; "" when absent.
func (r *Request) Model() (string, error) { return r.Str(FieldModel) }

// Stream says whether the answer is wanted as a stream, and whether its client asked for usage in it.
func (r *Request) Stream() (stream, usage bool, err error) {
	if stream, err = r.Bool(FieldStream); err != nil {
		return false, false, err
	}
	raw := r.raw(FieldStreamOptions)
	if raw == nil {
		return stream, false, nil
	}
	if raw[0] != '{' {
		return false, false, wrongType(FieldStreamOptions, "an object")
	}
	if !stream {
		return false, false, param("stream_options", "INVALID_PARAMETER", "stream_options is allowed only when stream is true")
	}
	err = each(raw, func(key string, val []byte) error {
		switch {
		case key != "include_usage" || string(val) == "false" || isNull(val):
		case string(val) == "true":
			usage = true
		default:
			return param("stream_options.include_usage", "INVALID_PARAMETER", "stream_options.include_usage must be a boolean")
		}
		return nil
	})
	return stream, usage, err
}

// Unit is whom the traffic split should keep together: user, or safety_identifier, which replaces it; "" when neither is given.
func (r *Request) Unit() string {
	for _, f := range [...]Field{FieldUser, FieldSafetyIdentifier} {
		if s, err := r.Str(f); err == nil && s != "" {
			return s
		}
	}
	return ""
}

// TextBytes is the size of what a model is to read, for an estimate of its tokens.
func (r *Request) TextBytes() int {
	return len(r.raw(FieldMessages)) + len(r.raw(FieldInput)) + len(r.raw(FieldPrompt))
}

// Variables are the values for a prompt's template: prompt_variables, and below it what metadata holds. Values that are not
// strings are taken as their JSON text.
func (r *Request) Variables() (map[string]string, error) {
	var vars map[string]string
	for _, f := range [...]Field{FieldMetadata, FieldPromptVariables} {
		raw := r.raw(f)
		if raw == nil {
			continue
		}
		if raw[0] != '{' {
			return nil, wrongType(f, "an object")
		}
		if vars == nil {
			vars = map[string]string{}
		}
		seen := map[string]bool{}
		err := each(raw, func(key string, val []byte) error {
			if seen[key] {
				return param(f.String()+"."+key, "DUPLICATE_MEMBER", "the member %s is given twice in %s", strconv.Quote(key), f)
			}
			seen[key] = true
			if s, ok := text(val); ok {
				vars[key] = s
			} else {
				vars[key] = string(val)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return vars, nil
}

// each walks the members of an object that has been validated.
func each(raw []byte, member func(key string, val []byte) error) error {
	s := scanner{b: raw}
	return s.object(0, func(key, val span) error {
		name, _ := text(raw[key.from-1 : key.to+1])
		return member(name, val.of(raw))
	})
}

// elements walks the elements of an array that has been validated.
func elements(raw []byte, element func(i int, val []byte) error) error {
	s := scanner{b: raw}
	i := -1
	return s.array(0, func(val span) error {
		i++
		return element(i, val.of(raw))
	})
}

// ParamError is a fault.Invalid about one parameter, which OpenAI's errors name.
type ParamError struct {
	Param string
	Fault *fault.Error
}

func (e *ParamError) Error() string { return e.Fault.Error() }

// Unwrap makes it a fault.
func (e *ParamError) Unwrap() error { return e.Fault }

func param(name, reason, format string, args ...any) error {
	return &ParamError{Param: name, Fault: fault.New("dialect", fault.Invalid, "%s", fmt.Sprintf(format, args...)).WithReason(reason)}
}

func wrongType(f Field, want string) error {
	return param(f.String(), "INVALID_PARAMETER", "%s must be %s", f, want)
}
