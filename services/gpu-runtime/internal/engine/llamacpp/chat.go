package llamacpp

import (
	"runtime"
	"slices"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Message is one turn of a conversation.
type Message struct{ Role, Content string }

// fallbackChat is what llama.cpp, too, takes for models that do not say how they were trained to converse.
const fallbackChat = "chatml"

// chooseChat settles at load time, and not in the middle of a request, whether the model's own template can be used: the
// engine understands a list of known templates, not Jinja.
func (m *Model) chooseChat() {
	m.chat = m.Template
	if m.chat != "" {
		if text, err := m.render([]Message{{"user", "probe"}}); err == nil && strings.Contains(text, "probe") {
			return
		}
	}
	m.chat, m.ChatFallback = fallbackChat, true
}

// Prompt writes a conversation down as the model was trained to read it, ending where the assistant's turn begins, and
// tokenizes it.
//
// What people wrote must not be able to end a turn and begin another: a content that would tokenize to control tokens
// ("<|im_end|>…") is put in as plain text, and only the template's own markers become control tokens. Contents without
// such text take the ordinary way, so that the tokens are exactly those of the engine's reference implementation.
func (m *Model) Prompt(messages []Message) ([]Token, error) {
	const op = "llamacpp.Prompt"
	if len(messages) == 0 {
		return nil, fault.New(op, fault.Invalid, "a conversation needs at least one message")
	}
	hostile := false
	for i, msg := range messages {
		if msg.Role == "" {
			return nil, fault.New(op, fault.Invalid, "message %d has no role", i+1)
		}
		if strings.ContainsRune(msg.Role, 0) || strings.ContainsRune(msg.Content, 0) {
			return nil, fault.New(op, fault.Invalid, "message %d contains a zero byte", i+1)
		}
		for _, text := range []string{msg.Role, msg.Content} {
			controls, err := m.hasControl(text)
			if err != nil {
				return nil, err
			}
			hostile = hostile || controls
		}
	}
	if hostile {
		return m.quoted(messages)
	}
	text, err := m.render(messages)
	if err != nil {
		return nil, err
	}
	return m.Tokenize(text, true, true)
}

func (m *Model) hasControl(text string) (bool, error) {
	tokens, err := m.Tokenize(text, false, true)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(tokens, func(t Token) bool { return m.lib.isControl(m.vocab, t) }), nil
}

// quoted renders the template around placeholders, then tokenizes the template's parts as markup and the contents as text.
// A role that carries markup is refused: no template has a use for it.
func (m *Model) quoted(messages []Message) ([]Token, error) {
	const op = "llamacpp.Prompt"
	marked := make([]Message, len(messages))
	for i, msg := range messages {
		if controls, err := m.hasControl(msg.Role); err != nil || controls {
			return nil, fault.New(op, fault.Invalid, "message %d has a role that is markup", i+1)
		}
		marked[i] = Message{msg.Role, placeholder(i)}
	}
	text, err := m.render(marked)
	if err != nil {
		return nil, err
	}
	var out []Token
	first := true
	add := func(text string, begin, special bool) error {
		tokens, err := m.Tokenize(text, begin, special)
		out = append(out, tokens...)
		return err
	}
	for i, msg := range messages {
		before, after, found := strings.Cut(text, placeholder(i))
		if !found {
			continue // a template may leave a message out, such as a system message it has no place for
		}
		if err := add(before, first, true); err != nil {
			return nil, err
		}
		first = false
		if err := add(msg.Content, false, false); err != nil {
			return nil, err
		}
		text = after
	}
	return out, add(text, first, true)
}

// placeholder stands for content i. Private-use characters appear in no template.
func placeholder(i int) string {
	return "\uE000" + strings.Repeat("\uE001", i+1) + "\uE002"
}

// render applies the template.
func (m *Model) render(messages []Message) (string, error) {
	const op = "llamacpp.Prompt"
	chat := make([]chatMessage, len(messages))
	size := 256
	for i, msg := range messages {
		chat[i] = chatMessage{cString(msg.Role), cString(msg.Content)}
		size += 2*(len(msg.Role)+len(msg.Content)) + 64
	}
	for range 2 {
		buf := make([]byte, size)
		n := int(m.lib.applyChat(m.chat, &chat[0], uint64(len(chat)), true, &buf[0], int32(size)))
		runtime.KeepAlive(chat) // holds the strings the engine read
		if n < 0 {
			break
		}
		if n <= size {
			return string(buf[:n]), nil
		}
		size = n
	}
	return "", fault.New(op, fault.Invalid, "the model's chat template cannot write these messages down")
}
