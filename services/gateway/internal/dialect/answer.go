package dialect

import (
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
)

// Reading is what the gateway learns from an OpenAI answer or from one frame of a stream, over whose bytes it has no say.
type Reading struct {
	Text    []byte // of the first choice: message.content, or delta.content in a frame; as text, not JSON
	Content bool   // any choice carried something: text, a tool call, a refusal
	Choices int    // how many choices there were
	Finish  string // of the first choice
	Usage   meter.Usage
	Counted bool // Usage was given
	// Failed: the answer is an error object, whatever its status was.
	Failed  bool
	Message string // of the error
	Code    string // of the error, or its type
}

// Read reads an answer or a frame. Text is appended to text, which saves its memory. fault.Invalid when it is not JSON.
func Read(body, text []byte) (Reading, error) {
	r := Reading{Text: text}
	s := scanner{b: body}
	if s.peek() != '{' {
		return r, syntax(s.at)
	}
	err := s.object(0, func(key, val span) error {
		raw := val.of(body)
		switch string(key.of(body)) {
		case "choices":
			return r.choices(raw)
		case "usage":
			return r.usage(raw)
		case "error":
			r.failure(raw)
		}
		return nil
	})
	if err == nil && s.peek() != 0 {
		err = syntax(s.at)
	}
	return r, err
}

func (r *Reading) choices(raw []byte) error {
	if raw[0] != '[' {
		return nil
	}
	s := scanner{b: raw}
	return s.array(0, func(val span) error {
		r.Choices++
		return r.choice(val.of(raw), r.Choices == 1)
	})
}

func (r *Reading) choice(raw []byte, first bool) error {
	if raw[0] != '{' {
		return nil
	}
	s := scanner{b: raw}
	return s.object(0, func(key, val span) error {
		inner := val.of(raw)
		switch string(key.of(raw)) {
		case "message", "delta":
			return r.message(inner, first)
		case "text": // of a legacy completion
			r.content(inner, first)
		case "finish_reason":
			if first {
				r.Finish, _ = text(inner)
			}
		}
		return nil
	})
}

func (r *Reading) message(raw []byte, first bool) error {
	if raw[0] != '{' {
		return nil
	}
	s := scanner{b: raw}
	return s.object(0, func(key, val span) error {
		inner := val.of(raw)
		switch string(key.of(raw)) {
		case "content":
			r.content(inner, first)
		case "role":
		default:
			r.Content = r.Content || asked(inner)
		}
		return nil
	})
}

func (r *Reading) content(raw []byte, first bool) {
	if len(raw) <= 2 || raw[0] != '"' {
		return
	}
	r.Content = true
	if first {
		r.Text = unquote(r.Text, raw[1:len(raw)-1])
	}
}

func (r *Reading) usage(raw []byte) error {
	if raw[0] != '{' {
		return nil
	}
	var prompt, cached, audioIn, completion, reasoning, audioOut int64
	var details []byte
	s := scanner{b: raw}
	err := s.object(0, func(key, val span) error {
		inner := val.of(raw)
		switch string(key.of(raw)) {
		case "prompt_tokens":
			prompt, r.Counted = integer(inner)
		case "completion_tokens":
			completion, _ = integer(inner)
		case "prompt_tokens_details":
			details = inner
			cached, audioIn = detail(details, "cached_tokens"), detail(details, "audio_tokens")
		case "completion_tokens_details":
			details = inner
			reasoning, audioOut = detail(details, "reasoning_tokens"), detail(details, "audio_tokens")
		}
		return nil
	})
	r.Usage = meter.FromOpenAI(prompt, cached, audioIn, completion, reasoning, audioOut)
	return err
}

func detail(raw []byte, name string) (n int64) {
	if raw[0] != '{' {
		return 0
	}
	s := scanner{b: raw}
	_ = s.object(0, func(key, val span) error {
		if string(key.of(raw)) == name {
			n, _ = integer(val.of(raw))
		}
		return nil
	})
	return n
}

// failure reads an error: OpenAI's object, or a bare text as some servers write it.
func (r *Reading) failure(raw []byte) {
	if isNull(raw) {
		return
	}
	r.Failed = true
	if s, ok := text(raw); ok {
		r.Message = s
		return
	}
	if raw[0] != '{' {
		return
	}
	kind := ""
	_ = each(raw, func(key string, val []byte) error {
		switch key {
		case "message":
			r.Message, _ = text(val)
		case "type":
			kind, _ = text(val)
		case "code":
			r.Code, _ = text(val)
		}
		return nil
	})
	if r.Code == "" {
		r.Code = kind
	}
}

// Fault is the error that an answer carried. Its text is the provider's; it is public, as the provider would have shown it.
func (r *Reading) Fault(op string, kind fault.Kind) error {
	message := r.Message
	if message == "" {
		message = "the provider ended the answer with an error"
	}
	return fault.New(op, kind, "%s", message).WithReason("PROVIDER_ERROR")
}
