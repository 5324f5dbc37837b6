package dialect

import (
	"fmt"
	"strconv"
)

// Chat translates an OpenAI chat request for a local engine. What the engine cannot do is refused by name: an answer that
// silently ignores a tool or a schema is worse than none.
func (r *Request) Chat() (Chat, error) {
	var c Chat
	for _, check := range []func(*Chat) error{r.supported, r.messages, r.limits, r.stops, r.sampling} {
		if err := check(&c); err != nil {
			return Chat{}, err
		}
	}
	return c, nil
}

// asked says whether a value asks for anything: OpenAI's clients send empty and default values freely.
func asked(raw []byte) bool {
	switch string(raw) {
	case "", "null", "false", "[]", "{}", `""`, "0", `"none"`, `"auto"`:
		return false
	}
	return true
}

func (r *Request) supported(*Chat) error {
	if n, given, err := r.Int(FieldN); err != nil {
		return err
	} else if given && n != 1 {
		return unsupported("n", "more than one choice")
	}
	for _, u := range [...]struct {
		field Field
		what  string
	}{
		{FieldTools, "tools"},
		{FieldToolChoice, "tool calls"},
		{FieldFunctions, "functions"},
		{FieldFunctionCall, "functions"},
		{FieldLogprobs, "log probabilities"},
		{FieldTopLogprobs, "log probabilities"},
		{FieldLogitBias, "a logit bias"},
		{FieldAudio, "audio"},
		{FieldPrompt, "a raw prompt beside messages"},
		{FieldInput, "input beside messages"},
	} {
		if asked(r.raw(u.field)) {
			return unsupported(u.field.String(), u.what)
		}
	}
	if err := r.plainText(); err != nil {
		return err
	}
	for _, m := range r.members {
		if m.field == unknown && !isNull(m.val.of(r.body)) {
			name, _ := text(r.body[m.key.from-1 : m.key.to+1])
			return param(name, "UNKNOWN_PARAMETER", "the parameter %s is not known to local engines", strconv.Quote(name))
		}
	}
	return nil
}

// plainText refuses response formats and modalities other than text.
func (r *Request) plainText() error {
	if raw := r.raw(FieldResponseFormat); raw != nil {
		if raw[0] != '{' {
			return wrongType(FieldResponseFormat, "an object")
		}
		kind := ""
		_ = each(raw, func(key string, val []byte) error {
			if key == "type" {
				kind, _ = text(val)
			}
			return nil
		})
		if kind != "text" {
			return unsupported("response_format", "response formats other than text")
		}
	}
	raw := r.raw(FieldModalities)
	if raw == nil {
		return nil
	}
	if raw[0] != '[' {
		return wrongType(FieldModalities, "an array")
	}
	return elements(raw, func(_ int, val []byte) error {
		if kind, _ := text(val); kind != "text" {
			return unsupported("modalities", "modalities other than text")
		}
		return nil
	})
}

func unsupported(name, what string) error {
	return param(name, "UNSUPPORTED_PARAMETER", "%s: local engines do not support %s", name, what)
}

// Messages translates the messages alone, for a prompt that is rendered before a model sees them.
func (r *Request) Messages() ([]Message, error) {
	var c Chat
	err := r.messages(&c)
	return c.Messages, err
}

func (r *Request) messages(c *Chat) error {
	raw := r.raw(FieldMessages)
	if raw == nil {
		return param("messages", "MISSING_PARAMETER", "messages is required")
	}
	if raw[0] != '[' {
		return wrongType(FieldMessages, "an array")
	}
	err := elements(raw, func(i int, val []byte) error {
		m, err := message(i, val)
		c.Messages = append(c.Messages, m)
		return err
	})
	if err == nil && len(c.Messages) == 0 {
		err = param("messages", "INVALID_PARAMETER", "messages must not be empty")
	}
	return err
}

func message(i int, raw []byte) (Message, error) {
	at := fmt.Sprintf("messages[%d]", i)
	if raw[0] != '{' {
		return Message{}, param(at, "INVALID_PARAMETER", "%s must be an object", at)
	}
	var m Message
	content := false
	seen := map[string]bool{}
	err := each(raw, func(key string, val []byte) error {
		if seen[key] {
			return param(at+"."+key, "DUPLICATE_MEMBER", "the member %s is given twice in %s", strconv.Quote(key), at)
		}
		seen[key] = true
		switch key {
		case "role":
			m.Role, _ = text(val)
		case "content":
			var err error
			content = !isNull(val)
			m.Content, err = contentText(at, val)
			return err
		case "tool_calls", "function_call", "tool_call_id", "audio":
			if asked(val) {
				return unsupported(at+"."+key, "tool calls and audio")
			}
		}
		return nil
	})
	if err != nil {
		return Message{}, err
	}
	switch m.Role {
	case "system", "user", "assistant":
	case "developer": // what newer clients call system
		m.Role = "system"
	case "tool", "function":
		return Message{}, unsupported(at+".role", "the role "+m.Role)
	default:
		return Message{}, param(at+".role", "INVALID_PARAMETER", "%s.role must be system, developer, user or assistant", at)
	}
	if !content {
		return Message{}, param(at+".content", "MISSING_PARAMETER", "%s.content is required", at)
	}
	return m, nil
}

// contentText is a message's text: a string, or text parts, which are joined.
func contentText(at string, raw []byte) (string, error) {
	switch raw[0] {
	case '"':
		s, _ := text(raw)
		return s, nil
	case 'n':
		return "", nil
	case '[':
	default:
		return "", param(at+".content", "INVALID_PARAMETER", "%s.content must be a string or an array of parts", at)
	}
	var joined []byte
	err := elements(raw, func(i int, val []byte) error {
		where := fmt.Sprintf("%s.content[%d]", at, i)
		if val[0] != '{' {
			return param(where, "INVALID_PARAMETER", "%s must be an object", where)
		}
		kind, content, given := "", "", false
		err := each(val, func(key string, val []byte) error {
			switch key {
			case "type":
				kind, _ = text(val)
			case "text":
				content, given = text(val)
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case kind == "":
			return param(where+".type", "MISSING_PARAMETER", "%s.type is required", where)
		case kind != "text":
			return unsupported(where, "content of type "+kind)
		case !given:
			return param(where+".text", "MISSING_PARAMETER", "%s.text must be a string", where)
		}
		joined = append(joined, content...)
		return nil
	})
	return string(joined), err
}

func (r *Request) limits(c *Chat) error {
	for _, f := range [...]Field{FieldMaxTokens, FieldMaxCompletionTokens} { // the later name wins, as at OpenAI
		n, given, err := r.Int(f)
		switch {
		case err != nil:
			return err
		case !given:
			continue
		case n < 1 || n > 1<<30:
			return param(f.String(), "INVALID_PARAMETER", "%s must be at least 1", f)
		}
		c.MaxTokens = int32(n)
	}
	return nil
}

const maxStops = 4

func (r *Request) stops(c *Chat) error {
	raw := r.raw(FieldStop)
	if raw == nil {
		return nil
	}
	if s, ok := text(raw); ok {
		c.Stop = []string{s}
	} else if raw[0] != '[' {
		return wrongType(FieldStop, "a string or an array of strings")
	} else if err := elements(raw, func(_ int, val []byte) error {
		s, ok := text(val)
		if !ok {
			return wrongType(FieldStop, "a string or an array of strings")
		}
		c.Stop = append(c.Stop, s)
		return nil
	}); err != nil {
		return err
	}
	if len(c.Stop) > maxStops {
		return param("stop", "INVALID_PARAMETER", "stop must hold at most %d strings", maxStops)
	}
	for _, s := range c.Stop {
		if s == "" {
			return param("stop", "INVALID_PARAMETER", "stop must not hold an empty string")
		}
	}
	return nil
}

func (r *Request) sampling(c *Chat) error {
	var err error
	if c.Temperature, err = r.within(FieldTemperature, 0, 2); err != nil {
		return err
	}
	if c.TopP, err = r.within(FieldTopP, 0, 1); err != nil {
		return err
	}
	for f, to := range map[Field]*float32{FieldFrequencyPenalty: &c.FrequencyPenalty, FieldPresencePenalty: &c.PresencePenalty} {
		x, err := r.within(f, -2, 2)
		if err != nil {
			return err
		}
		if x != nil {
			*to = *x
		}
	}
	if n, given, err := r.Int(FieldTopK); err != nil {
		return err
	} else if given {
		if n < 0 || n > 1<<20 {
			return param("top_k", "INVALID_PARAMETER", "top_k must not be negative")
		}
		k := int32(n)
		c.TopK = &k
	}
	n, given, err := r.Int(FieldSeed)
	if given {
		c.Seed = &n
	}
	return err
}

func (r *Request) within(f Field, low, high float64) (*float32, error) {
	x, given, err := r.Float(f)
	if err != nil || !given {
		return nil, err
	}
	if x < low || x > high {
		return nil, param(f.String(), "INVALID_PARAMETER", "%s must be between %g and %g", f, low, high)
	}
	narrow := float32(x)
	return &narrow, nil
}
