package answer_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/answer"
)

// run pushes b cut into pieces of n bytes and returns all text released and whether a stop string ended it.
func run(b []byte, n int, stops ...string) (text string, stopped bool, deltas []string) {
	w := answer.New(stops)
	for len(b) > 0 && !stopped {
		k := min(n, len(b))
		var d string
		d, stopped = w.Push(b[:k])
		deltas = append(deltas, d)
		b = b[k:]
	}
	if !stopped {
		deltas = append(deltas, w.Close())
	}
	return strings.Join(deltas, ""), stopped, deltas
}

func TestTextIsReleasedInWholeCharacters(t *testing.T) {
	t.Parallel()
	in := "né 世界 👩‍🚀 end"
	for n := 1; n <= len(in); n++ {
		out, _, deltas := run([]byte(in), n)
		require.Equal(t, in, out, "cut by %d", n)
		for _, d := range deltas {
			require.True(t, utf8.ValidString(d), "cut by %d: %q", n, d)
		}
	}
}

func TestBytesThatAreNoCharacterBecomeReplacementCharacters(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 6; n++ {
		out, _, _ := run([]byte("a\xff\xe4\xb8b\xf0\x9f"), n)
		require.Equal(t, "a\uFFFD\uFFFD\uFFFDb\uFFFD\uFFFD", out, "cut by %d", n)
	}
}

func TestAStopStringIsNeverSeen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in    string
		stops []string
		want  string
		stop  bool
	}{
		"in the middle":                {"one\nUser: two", []string{"\nUser:"}, "one", true},
		"at the start":                 {"stop", []string{"stop"}, "", true},
		"half of it at the end":        {"one\nUse", []string{"\nUser:"}, "one\nUse", false},
		"a false start, then the real": {"ababac", []string{"abac"}, "ab", true},
		"the first completed wins":     {"xabcd", []string{"abcd", "c"}, "xab", true},
		"ending together, longest":     {"xabcd", []string{"cd", "abcd"}, "x", true},
		"of many bytes":                {"価格は終了です", []string{"終了"}, "価格は", true},
		"an empty one is ignored":      {"abc", []string{""}, "abc", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= len(c.in); n++ {
				out, stopped, _ := run([]byte(c.in), n, c.stops...)
				require.Equal(t, c.want, out, "cut by %d", n)
				require.Equal(t, c.stop, stopped, "cut by %d", n)
			}
		})
	}
}

func TestNothingIsHeldBackWithoutAReason(t *testing.T) {
	t.Parallel()
	w := answer.New([]string{"###"})
	text, _ := w.Push([]byte("hello #"))
	require.Equal(t, "hello ", text)
	text, _ = w.Push([]byte("x"))
	require.Equal(t, "#x", text)
}

func TestAfterAStopNothingMoreComes(t *testing.T) {
	t.Parallel()
	w := answer.New([]string{"."})
	text, stopped := w.Push([]byte("a.b"))
	require.Equal(t, "a", text)
	require.True(t, stopped)
	text, stopped = w.Push([]byte("c"))
	require.Empty(t, text)
	require.True(t, stopped)
	require.Empty(t, w.Close())
}

// Reference: decode everything, then read one character at a time.
func reference(b []byte, stops []string) string {
	seen := ""
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		seen += string(r)
		longest := 0
		for _, s := range stops {
			if s != "" && strings.HasSuffix(seen, s) {
				longest = max(longest, len(s))
			}
		}
		if longest > 0 {
			return seen[:len(seen)-longest]
		}
	}
	return seen
}

func FuzzTheCutsDoNotMatter(f *testing.F) {
	f.Add([]byte("one\nUser: two"), "\nUser:", "two", 3)
	f.Add([]byte("a\xff\xe4\xb8b"), "b", "\uFFFD", 1)
	f.Fuzz(func(t *testing.T, b []byte, s1, s2 string, n int) {
		if n < 1 || n > 64 || len(b) > 512 || !utf8.ValidString(s1) || !utf8.ValidString(s2) {
			return // outside what a caller can send: stop strings arrive as protobuf strings, which are UTF-8
		}
		stops := []string{s1, s2}
		out, _, deltas := run(b, n, stops...)
		if want := reference(b, stops); out != want {
			t.Fatalf("got %q, want %q", out, want)
		}
		for _, d := range deltas {
			if !utf8.ValidString(d) {
				t.Fatalf("broken character in %q", d)
			}
		}
	})
}
