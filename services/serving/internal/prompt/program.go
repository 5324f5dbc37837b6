// Package prompt turns a pinned prompt version, values and a caller's messages into the messages that a model reads. A
// template is compiled once into literal pieces and variables; rendering is then one pass over the pieces, so that a
// value is inserted as it is: braces in it are text and are never looked at again.
package prompt

import (
	"slices"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// Program is a compiled template. It is immutable and safe for concurrent use.
type Program struct {
	chat       bool // messages; otherwise one text without a role
	parts      []part
	variables  []string // sorted, each once
	parameters map[string]string
}

// part is one message of a chat template, or the whole of a text template.
type part struct {
	role   string
	pieces []piece
	asks   bool // holds a variable that may stand for the caller's own message
}

// piece is a literal or, when name is set, a variable.
type piece struct{ literal, name string }

// asking are the variables that take the caller's last message when no value is given.
var asking = []string{"question", "input"}

// Compile reads a template. The registry has checked it when the version was made, so that an error (Invalid, with what
// is wrong) means that it was not made there.
func Compile(t domain.Template) (*Program, error) {
	p := &Program{chat: len(t.Messages) > 0, parameters: t.Parameters}
	texts := []domain.Message{{Content: t.Text}}
	if p.chat {
		texts = t.Messages
	}
	for _, m := range texts {
		pieces, err := split(t.Syntax, m.Content)
		if err != nil {
			return nil, err
		}
		part := part{role: m.Role, pieces: pieces}
		for _, x := range pieces {
			if x.name != "" {
				p.variables = append(p.variables, x.name)
				part.asks = part.asks || slices.Contains(asking, x.name)
			}
		}
		p.parts = append(p.parts, part)
	}
	slices.Sort(p.variables)
	p.variables = slices.Compact(p.variables)
	return p, nil
}

// Variables are the names of the variables, sorted.
func (p *Program) Variables() []string { return p.variables }

// Parameters are the generation parameters that travel with the prompt.
func (p *Program) Parameters() map[string]string { return p.parameters }

func split(syntax domain.TemplateSyntax, text string) ([]piece, error) {
	switch syntax {
	case domain.DoubleBrace:
		return splitDouble(text)
	case domain.SingleBrace:
		return splitSingle(text)
	}
	return nil, fault.New("prompt.Compile", fault.Invalid, "a template of syntax %q cannot be rendered", syntax).WithReason("TEMPLATE_INVALID")
}

// splitDouble finds each {{name}}; blanks around the name do not count, and every other brace is text.
func splitDouble(text string) ([]piece, error) {
	var pieces []piece
	for {
		literal, rest, found := strings.Cut(text, "{{")
		pieces = appendLiteral(pieces, literal)
		if !found {
			return pieces, nil
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return nil, malformed("`{{` is never closed")
		}
		pieces, text = append(pieces, piece{name: strings.TrimSpace(name)}), after
	}
}

// splitSingle finds each {name}; {{ and }} are braces in the text.
func splitSingle(text string) ([]piece, error) {
	var pieces []piece
	for {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			return appendLiteral(pieces, text), nil
		}
		if strings.HasPrefix(text[i:], "{{") || strings.HasPrefix(text[i:], "}}") {
			pieces, text = appendLiteral(pieces, text[:i+1]), text[i+2:]
			continue
		}
		name, after, closed := strings.Cut(text[i+1:], "}")
		if text[i] == '}' || !closed {
			return nil, malformed("a brace stands alone")
		}
		pieces = append(appendLiteral(pieces, text[:i]), piece{name: strings.TrimSpace(name)})
		text = after
	}
}

func appendLiteral(pieces []piece, text string) []piece {
	if text == "" {
		return pieces
	}
	return append(pieces, piece{literal: text})
}

func malformed(why string) error {
	return fault.New("prompt.Compile", fault.Invalid, "the template cannot be read: %s", why).WithReason("TEMPLATE_INVALID")
}
