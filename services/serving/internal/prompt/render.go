package prompt

import (
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// Render is what the model is to read. Every variable needs a value; only `question` and `input` may do without, when
// there is a user's message to take their place. A missing one is Invalid and named. Values without a variable are
// ignored: a caller may send the same ones to two versions of a prompt.
//
// Where the rendered text stands follows from what it is. When it took the caller's last user message it stands in that
// message's place, so that the conversation before it keeps its order; the messages of a chat template that come before
// the asking one open the conversation. Otherwise it comes first: a chat template as it is, a text as a system message
// (or, when it was given its question by name and the caller has no user message at all, as the user's).
func (p *Program) Render(values map[string]string, messages []domain.Message) ([]domain.Message, error) {
	taken := -1
	last := lastUser(messages)
	value := func(name string) (string, bool) {
		v, ok := values[name]
		if ok {
			return v, true
		}
		if last >= 0 && slices.Contains(asking, name) {
			taken = last
			return messages[last].Content, true
		}
		return "", false
	}
	filled := make(map[string]string, len(p.variables))
	var missing []string
	for _, name := range p.variables {
		v, ok := value(name)
		if !ok {
			missing = append(missing, strconv.Quote(name))
		}
		filled[name] = v
	}
	if len(missing) > 0 {
		return nil, lacking(missing)
	}
	own := make([]domain.Message, len(p.parts))
	for i, part := range p.parts {
		own[i] = domain.Message{Role: part.role, Content: part.fill(filled)}
	}
	if p.chat {
		return p.joinChat(own, messages, taken), nil
	}
	return p.joinText(own[0], messages, taken, last), nil
}

func lacking(names []string) error {
	text := "the variable " + names[0] + " of the prompt has no value"
	if len(names) > 1 {
		text = "the variables " + strings.Join(names, ", ") + " of the prompt have no value"
	}
	return fault.New("prompt.Render", fault.Invalid, "%s", text).WithReason("VARIABLE_MISSING")
}

func (p *Program) joinText(text domain.Message, messages []domain.Message, taken, last int) []domain.Message {
	switch {
	case taken >= 0:
		text.Role = "user"
		return slices.Concat(messages[:taken], []domain.Message{text}, messages[taken+1:])
	case p.parts[0].asks && last < 0:
		text.Role = "user"
		return slices.Concat(messages, []domain.Message{text})
	}
	text.Role = "system"
	return slices.Concat([]domain.Message{text}, messages)
}

func (p *Program) joinChat(own, messages []domain.Message, taken int) []domain.Message {
	if taken < 0 {
		return slices.Concat(own, messages)
	}
	opening := slices.IndexFunc(p.parts, func(x part) bool { return x.asks })
	return slices.Concat(own[:opening], messages[:taken], own[opening:], messages[taken+1:])
}

func (p part) fill(values map[string]string) string {
	if len(p.pieces) == 1 && p.pieces[0].name == "" {
		return p.pieces[0].literal
	}
	size := 0
	for _, x := range p.pieces {
		size += len(x.literal) + len(values[x.name])
	}
	var b strings.Builder
	b.Grow(size)
	for _, x := range p.pieces {
		if x.name == "" {
			b.WriteString(x.literal)
		} else {
			b.WriteString(values[x.name])
		}
	}
	return b.String()
}

func lastUser(messages []domain.Message) int {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role == "user" {
			return i
		}
	}
	return -1
}
