package dialect

// Rewrite says what changes on the way from an OpenAI client to an OpenAI provider. Everything else passes as it came.
type Rewrite struct {
	// Model is the provider's name for the model.
	Model string
	// ForceUsage asks the provider for usage at the end of the stream, whatever the client asked.
	ForceUsage bool
	// Messages, when not nil, replace the client's: a prompt was rendered from them.
	Messages []Message
	// Defaults are members to add where the client gave none: name and JSON value.
	Defaults map[string]string
}

// AppendBody appends the request as the provider is to see it. Members that are the gateway's own business are left out.
func (r *Request) AppendBody(dst []byte, w Rewrite) []byte {
	dst = append(dst, '{')
	dst = appendMember(dst, "model")
	dst = AppendString(dst, w.Model)
	for _, m := range r.members {
		switch m.field {
		case FieldModel, FieldPromptVariables, FieldClientRequestID, FieldUsageContext:
			continue
		case FieldMessages:
			if w.Messages != nil {
				continue
			}
		case FieldMetadata: // of a rendered prompt it held the variables
			if w.Messages != nil {
				continue
			}
		case FieldStreamOptions:
			if w.ForceUsage {
				continue
			}
		default:
		}
		dst = append(dst, ',', '"')
		dst = append(dst, r.body[m.key.from:m.val.to]...) // key, quote, colon and value as they came
	}
	if w.ForceUsage {
		dst = append(dst, ',')
		dst = r.appendStreamOptions(appendMember(dst, "stream_options"))
	}
	if w.Messages != nil {
		dst = append(dst, ',')
		dst = AppendMessages(appendMember(dst, "messages"), w.Messages)
	}
	for name, value := range w.Defaults {
		if f := fieldOf([]byte(name)); f == unknown && r.hasUnknown([]byte(name)) || f != unknown && r.known[f] != 0 {
			continue
		}
		dst = append(dst, ',')
		dst = append(AppendString(dst, name), ':')
		dst = append(dst, value...)
	}
	return append(dst, '}')
}

func appendMember(dst []byte, name string) []byte {
	return append(append(append(dst, '"'), name...), '"', ':')
}

// appendStreamOptions keeps the client's options and sets include_usage.
func (r *Request) appendStreamOptions(dst []byte) []byte {
	dst = append(dst, `{"include_usage":true`...)
	if raw := r.raw(FieldStreamOptions); raw != nil && raw[0] == '{' {
		_ = each(raw, func(key string, val []byte) error {
			if key != "include_usage" {
				dst = append(dst, ',')
				dst = append(AppendString(dst, key), ':')
				dst = append(dst, val...)
			}
			return nil
		})
	}
	return append(dst, '}')
}

// AppendMessages appends messages as OpenAI writes them.
func AppendMessages(dst []byte, messages []Message) []byte {
	dst = append(dst, '[')
	for i, m := range messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(append(dst, `{"role":`...), m.Role)
		dst = AppendString(append(dst, `,"content":`...), m.Content)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// ValidJSON says whether value is one JSON value and nothing else.
func ValidJSON(value string) bool {
	s := scanner{b: []byte(value)}
	if err := s.value(0); err != nil {
		return false
	}
	s.space()
	return s.at == len(s.b)
}
