package inference

import (
	"math"
	"strconv"
	"strings"

	"github.com/parquet-go/jsonlite"
)

// node is a place in a JSON body that may not be there: looking further from
// nowhere is nowhere, and nowhere has no text. Bodies come from callers and
// providers; any shape must be looked at without a fall.
//
// The parser is the one that the Parquet library brings along; it reads a chat
// ten times as fast as encoding/json, and bodies are most of what is ingested.
type node struct{ v *jsonlite.Value }

func parse(body string) node {
	if len(body) == 0 || (body[0] != '{' && body[0] != '"' && body[0] != '[' && body[0] > ' ') {
		return node{} // text; do not parse a megabyte of it to find out
	}
	v, err := jsonlite.Parse(body)
	if err != nil {
		return node{}
	}
	return node{v}
}

func (n node) missing() bool { return n.v == nil || n.v.Kind() == jsonlite.Null }

func (n node) isArray() bool { return n.v != nil && n.v.Kind() == jsonlite.Array }

// at is the member of an object.
func (n node) at(name string) node {
	if n.v == nil || n.v.Kind() != jsonlite.Object {
		return node{}
	}
	return node{n.v.Lookup(name)}
}

// index is the element of an array.
func (n node) index(i int) node {
	if !n.isArray() || i >= n.v.Len() {
		return node{}
	}
	return node{n.v.Index(i)}
}

// each visits the elements of an array.
func (n node) each(visit func(node)) {
	if !n.isArray() {
		return
	}
	for e := range n.v.Array {
		visit(node{e})
	}
}

// len is the number of elements of an array.
func (n node) len() int {
	if !n.isArray() {
		return 0
	}
	return n.v.Len()
}

// text is a string.
func (n node) text() string {
	if n.v == nil || n.v.Kind() != jsonlite.String {
		return ""
	}
	return n.v.String()
}

// number is a number.
func (n node) number() (float64, bool) {
	if n.v == nil || n.v.Kind() != jsonlite.Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.v.JSON(), 64) // the value's own method panics out of range
	return f, err == nil
}

// whole is a number within int64, its fraction cut.
func (n node) whole() (int64, bool) {
	f, ok := n.number()
	if !ok || math.Abs(f) >= 1<<62 {
		return 0, false
	}
	return int64(f), true
}

// joined is the text of a content: a string, or the strings and text parts of a
// list, a line each.
func (n node) joined() string {
	if s := n.text(); s != "" {
		return s
	}
	var parts []string
	n.each(func(p node) {
		s := p.text()
		if s == "" {
			s = p.at("text").text()
		}
		if s != "" {
			parts = append(parts, s)
		}
	})
	return strings.Join(parts, "\n")
}
