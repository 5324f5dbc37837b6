// Package promptfile reads prompts from files, the way people keep them beside their code. A .txt file is a template, whole.
// A .yaml file may say more:
//
//	template: Answer {{question}} in one sentence.   # or messages
//	messages:
//	  - role: system
//	    content: You are {{persona}}.
//	syntax: double_brace          # or single_brace; found from the text when left out
//	parameters: {temperature: 0.2, stop: ["\n"]}
//	comment: shorter answers
//	tags: {owner: search}
//
// A key that is not among these is an error that names its line: a misspelt one would otherwise be lost in silence.
package promptfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// MaxBytes is the largest file that is read.
const MaxBytes = 1 << 20

// Read reads a prompt; the ending of the file's name says how. Whether it is a good prompt, domain.NewPromptVersion says.
func Read(fileName string, content []byte) (domain.PromptDraft, error) {
	if len(content) > MaxBytes {
		return domain.PromptDraft{}, fault.New("registry.promptfile.Read", fault.TooLarge, "the file has %d bytes, at most %d", len(content), MaxBytes)
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(content) {
		return domain.PromptDraft{}, invalid("the file is not valid UTF-8")
	}
	switch ending := strings.ToLower(path.Ext(fileName)); ending {
	case ".txt":
		return domain.PromptDraft{Template: withoutLastBreak(string(content))}, nil
	case ".yaml", ".yml":
		return readYAML(content)
	default:
		return domain.PromptDraft{}, invalid("%q ends in %q; a prompt is read from .txt, .yaml or .yml", fileName, ending)
	}
}

// withoutLastBreak takes away the line break that editors put at the end of a file, and normalizes those of Windows.
func withoutLastBreak(s string) string {
	return strings.TrimSuffix(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
}

type file struct {
	Template   string                `yaml:"template"`
	Messages   []message             `yaml:"messages"`
	Syntax     string                `yaml:"syntax"`
	Parameters map[string]any        `yaml:"parameters"`
	Comment    string                `yaml:"comment"`
	Tags       map[string]scalarText `yaml:"tags"`
}

type message struct {
	Role    string `yaml:"role"`
	Content string `yaml:"content"`
}

// scalarText is a scalar as it is written: a tag `version: 1.10` is the text 1.10, not a number.
type scalarText string

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *scalarText) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a tag has a text, not a list or a map", n.Line)
	}
	if n.Tag != "!!null" {
		*s = scalarText(n.Value)
	}
	return nil
}

var syntaxes = map[string]domain.Syntax{"": "", "double_brace": domain.DoubleBrace, "single_brace": domain.SingleBrace}

func readYAML(content []byte) (domain.PromptDraft, error) {
	var f file
	d := yaml.NewDecoder(bytes.NewReader(content))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			return domain.PromptDraft{}, invalid("the file is empty")
		}
		return domain.PromptDraft{}, invalid("the file cannot be read: %s", complaint(err))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return domain.PromptDraft{}, invalid("the file holds more than one YAML document")
	}
	syntax, ok := syntaxes[strings.ToLower(f.Syntax)]
	if !ok {
		return domain.PromptDraft{}, invalid("the syntax %q is neither double_brace nor single_brace", f.Syntax)
	}
	out := domain.PromptDraft{Template: f.Template, Syntax: syntax, Comment: f.Comment, Tags: map[string]string{}, Parameters: map[string]string{}}
	for _, m := range f.Messages {
		out.Messages = append(out.Messages, domain.Message(m))
	}
	for k, v := range f.Tags {
		out.Tags[k] = string(v)
	}
	for k, v := range f.Parameters {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return domain.PromptDraft{}, invalid("the parameter %s cannot be written as JSON", k)
		}
		out.Parameters[k] = strings.TrimSpace(b.String())
	}
	return out, nil
}

// complaint is what the decoder says, on one line and in the file's words instead of Go's.
func complaint(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n")
	var lines []string
	for l := range strings.SplitSeq(text, "\n") {
		l = strings.TrimSpace(l)
		l = strings.ReplaceAll(l, "not found in type promptfile.file", "is not known here")
		l = strings.ReplaceAll(l, "not found in type promptfile.message", "is not known in a message")
		lines = append(lines, l)
	}
	return strings.Join(lines, "; ")
}

func invalid(format string, args ...any) error {
	return fault.New("registry.promptfile.Read", fault.Invalid, format, args...).WithReason("PROMPT_FILE_INVALID")
}
