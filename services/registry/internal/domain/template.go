package domain

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Syntax is how a template writes its variables.
type Syntax string

// The syntaxes.
const (
	DoubleBrace Syntax = "DOUBLE_BRACE" // {{name}}; a single brace is text
	SingleBrace Syntax = "SINGLE_BRACE" // {name}; {{ and }} are braces in the text
)

// MaxVariableName is the longest name of a variable, in bytes.
const MaxVariableName = 255

// DetectSyntax is the syntax of a template that does not say: double braces when one of its texts has a {{name}}, else
// single braces. Where nobody has said what `{{` means, one without its `}}` is more likely a variable that was never
// closed than a brace in the text, so then it is Invalid.
func DetectSyntax(texts ...string) (Syntax, error) {
	for _, t := range texts {
		for rest := t; ; {
			_, after, ok := strings.Cut(rest, "{{")
			if !ok {
				break
			}
			if inside, _, closed := strings.Cut(after, "}}"); closed && isVariable(strings.TrimSpace(inside)) {
				return DoubleBrace, nil
			}
			rest = after
		}
	}
	for _, t := range texts {
		p := templateParser{text: t, syntax: SingleBrace, paired: true}
		if _, err := p.parse(); err != nil {
			return "", err
		}
	}
	return SingleBrace, nil
}

// Variables is the names of the variables in texts, sorted, each once. It fails with Invalid at the first brace that is
// out of place, and says at which line and column (both from 1, columns in characters) and what was expected there.
//
// In DOUBLE_BRACE a `{{` begins a variable, and single braces are text. A `}}` that closes nothing is refused, unless as
// many single braces stand open before it: JSON in a prompt ends in `}}` all the time.
//
// In SINGLE_BRACE a `{` begins a variable, and a brace in the text is written twice.
func Variables(syntax Syntax, texts ...string) ([]string, error) {
	var names []string
	for _, t := range texts {
		p := templateParser{text: t, syntax: syntax}
		found, err := p.parse()
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

type templateParser struct {
	text   string
	syntax Syntax
	paired bool // SINGLE_BRACE: doubled braces must come in pairs
	pos    int
	open   []int // where the braces begin that stand open in the text
	names  []string
}

func (p *templateParser) parse() ([]string, error) {
	step := p.double
	if p.syntax == SingleBrace {
		step = p.single
	}
	for {
		i := strings.IndexAny(p.text[p.pos:], "{}")
		if i < 0 {
			if p.paired && len(p.open) > 0 {
				return nil, p.fail(p.open[len(p.open)-1], "`{{` is never closed; if a brace in the text is meant, say that the syntax is SINGLE_BRACE")
			}
			return p.names, nil
		}
		p.pos += i
		if err := step(); err != nil {
			return nil, err
		}
	}
}

func (p *templateParser) double() error {
	rest := p.text[p.pos:]
	switch {
	case strings.HasPrefix(rest, "{{"):
		return p.variable("{{", "}}")
	case rest[0] == '{':
		p.open = append(p.open, p.pos)
	case strings.HasPrefix(rest, "}}") && len(p.open) < 2:
		return p.fail(p.pos, "`}}` closes nothing: a variable is written {{name}}")
	default:
		p.close()
	}
	p.pos++
	return nil
}

// close takes the brace that was opened last; false when none stands open.
func (p *templateParser) close() bool {
	if len(p.open) == 0 {
		return false
	}
	p.open = p.open[:len(p.open)-1]
	return true
}

func (p *templateParser) single() error {
	rest := p.text[p.pos:]
	switch {
	case strings.HasPrefix(rest, "{{"):
		p.open = append(p.open, p.pos)
		p.pos += 2
		return nil
	case strings.HasPrefix(rest, "}}"):
		if !p.close() && p.paired {
			return p.fail(p.pos, "`}}` closes nothing; if a brace in the text is meant, say that the syntax is SINGLE_BRACE")
		}
		p.pos += 2
		return nil
	case rest[0] == '}':
		return p.fail(p.pos, "`}` closes nothing: a variable is written {name}, a brace in the text }}")
	}
	return p.variable("{", "}")
}

// variable reads from the opening brace to the closing one.
func (p *templateParser) variable(opening, closing string) error {
	start := p.pos
	inside, _, closed := strings.Cut(p.text[start+len(opening):], closing)
	if i := strings.IndexAny(inside, "{}\n"); i >= 0 {
		// A name holds neither, so the brace that closes belongs to something else.
		closed = false
	}
	if !closed {
		return p.fail(start, "`%s` is never closed%s", opening, p.hint())
	}
	name := strings.TrimSpace(inside)
	if !isVariable(name) {
		return p.fail(start, "`%s%s%s` is no variable: a name is a letter or _, then letters, digits and _%s", opening, shorten(inside), closing, p.hint())
	}
	p.names = append(p.names, name)
	p.pos = start + len(opening) + len(inside) + len(closing)
	return nil
}

func (p *templateParser) hint() string {
	if p.syntax == SingleBrace {
		return "; a brace in the text is written {{ or }}, or say that the syntax is DOUBLE_BRACE"
	}
	return ""
}

func (p *templateParser) fail(at int, format string, args ...any) error {
	before := p.text[:at]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return invalid("TEMPLATE_INVALID", "template line %d, column %d: %s", line, column, fmt.Sprintf(format, args...))
}

func isVariable(s string) bool {
	if s == "" || len(s) > MaxVariableName {
		return false
	}
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.IsMark(r)) {
			return false
		}
	}
	return true
}

// shorten keeps an error readable when what stands between two braces is a page of text.
func shorten(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
