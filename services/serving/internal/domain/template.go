package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Message is one message of a chat.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// TemplateSyntax is how a template writes its variables.
type TemplateSyntax string

// The syntaxes, as the registry defines them.
const (
	DoubleBrace TemplateSyntax = "DOUBLE_BRACE" // {{name}}; single braces are text
	SingleBrace TemplateSyntax = "SINGLE_BRACE" // {name}; {{ and }} are braces in the text
)

// Template is what a prompt version says: a text or messages. Serving keeps its own copy of every one it has pinned, so
// that what serves does not depend on the registry being up, or on the prompt still being there.
type Template struct {
	Text       string            `json:"text,omitempty"`
	Messages   []Message         `json:"messages,omitempty"`
	Syntax     TemplateSyntax    `json:"syntax"`
	Parameters map[string]string `json:"parameters,omitempty"` // name to JSON value
}

// Digest is the name under which the template is kept: two versions that say the same share a copy.
func (t Template) Digest() string {
	b, err := json.Marshal(t)
	if err != nil {
		panic("domain: a template is plain text: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
