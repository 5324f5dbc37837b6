package domain

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a prompt version.
const (
	MaxTemplate   = 1 << 20 // bytes, all messages together
	MaxMessages   = 256
	MaxParameters = 64
	MaxParameter  = 16 << 10 // bytes of JSON
)

// Message is one message of a chat template.
type Message struct {
	Role    string `json:"role"` // system, user or assistant
	Content string `json:"content"`
}

// PromptDraft is what its author says of a new prompt version: a template or messages, exactly one of them.
type PromptDraft struct {
	Template   string
	Messages   []Message
	Syntax     Syntax            // empty: found from the text
	Parameters map[string]string // name to JSON value
	Comment    string
	Tags       map[string]string
}

// PromptVersion is one immutable version of a prompt.
type PromptVersion struct {
	PromptDraft
	PromptID   string
	Prompt     Ref
	Version    int64
	Variables  []string // sorted
	Digest     string   // see Digest
	Creator    string
	CreateTime time.Time
	Aliases    []string // sorted; those that point here now
}

// NewPromptVersion checks a draft and works out what follows from it: syntax, variables, canonical parameters, digest.
// Who, when and which number is the caller's to fill in.
func NewPromptVersion(d PromptDraft) (PromptVersion, error) {
	texts, err := d.texts()
	if err != nil {
		return PromptVersion{}, err
	}
	switch d.Syntax {
	case "":
		if d.Syntax, err = DetectSyntax(texts...); err != nil {
			return PromptVersion{}, err
		}
	case DoubleBrace, SingleBrace:
	default:
		return PromptVersion{}, invalid("TEMPLATE_INVALID", "there is no template syntax %q", d.Syntax)
	}
	v := PromptVersion{PromptDraft: d}
	if v.Variables, err = Variables(d.Syntax, texts...); err != nil {
		return PromptVersion{}, err
	}
	if v.Parameters, err = cleanParameters(d.Parameters); err != nil {
		return PromptVersion{}, err
	}
	if v.Comment, err = ParseComment(d.Comment); err != nil {
		return PromptVersion{}, err
	}
	if err := CheckTags(d.Tags, nil); err != nil {
		return PromptVersion{}, err
	}
	v.Digest = v.digest()
	return v, nil
}

func (d PromptDraft) texts() ([]string, error) {
	var texts []string
	switch {
	case d.Template != "" && len(d.Messages) > 0:
		return nil, invalid("TEMPLATE_INVALID", "a prompt version is a template or messages, not both")
	case d.Template != "":
		texts = []string{d.Template}
	case len(d.Messages) == 0:
		return nil, invalid("TEMPLATE_INVALID", "a prompt version needs a template or messages")
	case len(d.Messages) > MaxMessages:
		return nil, invalid("TEMPLATE_INVALID", "%d messages are too many, at most %d", len(d.Messages), MaxMessages)
	}
	for i, m := range d.Messages {
		if !slices.Contains([]string{"system", "user", "assistant"}, m.Role) {
			return nil, invalid("TEMPLATE_INVALID", "message %d has the role %q, which is none of system, user, assistant", i+1, m.Role)
		}
		if m.Content == "" {
			return nil, invalid("TEMPLATE_INVALID", "message %d is empty", i+1)
		}
		texts = append(texts, m.Content)
	}
	size := 0
	for _, t := range texts {
		size += len(t)
		if !utf8.ValidString(t) || strings.ContainsRune(t, 0) {
			return nil, invalid("TEMPLATE_INVALID", "the template is not valid UTF-8 text")
		}
	}
	if size > MaxTemplate {
		return nil, invalid("TEMPLATE_INVALID", "the template is %d bytes long, at most %d", size, MaxTemplate)
	}
	return texts, nil
}

// digest is the SHA-256, in lower-case hex, of the JSON object {"template" or "messages", "parameters", "syntax"} with
// sorted keys, no white space, and without escaping what JSON need not escape. Comment, tags and authorship are not in
// it: two versions with the same digest behave alike.
func (v PromptVersion) digest() string {
	canonical := struct {
		Messages   []Message                  `json:"messages,omitempty"`
		Parameters map[string]json.RawMessage `json:"parameters,omitempty"`
		Syntax     Syntax                     `json:"syntax"`
		Template   string                     `json:"template,omitempty"`
	}{Messages: v.Messages, Syntax: v.Syntax, Template: v.Template, Parameters: map[string]json.RawMessage{}}
	for k, p := range v.Parameters {
		canonical.Parameters[k] = json.RawMessage(p)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(canonical); err != nil {
		panic("domain: checked parameters are JSON: " + err.Error())
	}
	sum := sha256.Sum256(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return hex.EncodeToString(sum[:])
}
