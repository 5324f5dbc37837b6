package testkit

import (
	"slices"
	"strings"
	"testing"
)

// Tree prints what has arrived of a trace, one span per line as "service: name", children below their parent, two spaces
// in. Siblings are in alphabetical order, so that concurrent ones always print alike. A span whose parent has not arrived
// prints at the left as "… service: name": in a whole trace there is none. Spans for which one of drop is true are left
// out, and their children hang from the next span above.
func (tr *Traces) Tree(traceID string, drop ...func(Span) bool) string {
	all := make(map[string]Span)
	for _, s := range tr.Spans(traceID) {
		all[s.SpanID] = s
	}
	dropped := func(s Span) bool { return slices.ContainsFunc(drop, func(d func(Span) bool) bool { return d(s) }) }
	children := make(map[string][]Span)
	for _, s := range all {
		if dropped(s) {
			continue
		}
		children[above(s, all, dropped)] = append(children[above(s, all, dropped)], s)
	}
	var b strings.Builder
	printBelow(&b, children, "", "")
	printBelow(&b, children, missing, "")
	return b.String()
}

// missing is the place of spans whose parent has not arrived.
const missing = "missing"

func above(s Span, all map[string]Span, dropped func(Span) bool) string {
	for {
		if s.ParentID == "" {
			return ""
		}
		parent, ok := all[s.ParentID]
		if !ok {
			return missing
		}
		if !dropped(parent) {
			return parent.SpanID
		}
		s = parent
	}
}

func printBelow(b *strings.Builder, children map[string][]Span, parent, indent string) {
	type branch struct{ text string }
	var branches []branch
	for _, s := range children[parent] {
		var sub strings.Builder
		mark := ""
		if parent == missing {
			mark = "… "
		}
		sub.WriteString(indent + mark + s.Service + ": " + s.Name + "\n")
		printBelow(&sub, children, s.SpanID, indent+"  ")
		branches = append(branches, branch{sub.String()})
	}
	// By the whole text of the branch: equal names with different children have an order too.
	slices.SortFunc(branches, func(x, y branch) int { return strings.Compare(x.text, y.text) })
	for _, x := range branches {
		b.WriteString(x.text)
	}
}

// RequireTree waits until the tree of a trace is want, and fails with both when it does not become so. Leading and
// trailing blank lines, and the indentation that want has as a whole, do not count.
func (tr *Traces) RequireTree(t testing.TB, traceID, want string, drop ...func(Span) bool) {
	t.Helper()
	want = unindent(want)
	if !poll(Patience, func() bool { return tr.Tree(traceID, drop...) == want }) {
		t.Fatalf("trace %s\n--- want\n%s--- have\n%s", traceID, want, tr.Tree(traceID, drop...))
	}
}

func unindent(s string) string {
	lines := strings.Split(strings.Trim(s, "\n\t "), "\n")
	first := strings.TrimLeft(s, "\n")
	margin := first[:len(first)-len(strings.TrimLeft(first, "\t "))]
	for i, l := range lines {
		l = strings.TrimRight(strings.TrimPrefix(l, margin), "\t ")
		lines[i] = strings.ReplaceAll(l, "\t", "  ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// ByName drops spans whose name begins with one of these.
func ByName(prefixes ...string) func(Span) bool {
	return func(s Span) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s.Name, p) })
	}
}
