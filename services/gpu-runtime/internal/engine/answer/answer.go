// Package answer turns the bytes of tokens into the text a caller may see. A token is a run of bytes that knows nothing of
// characters: one emoji may take four tokens, and a stop string may begin in one token and end three tokens later. So two
// things are held back: bytes that are not yet a whole character, and text that may yet turn out to be the beginning of a
// stop string. What has been released is never taken back, and the result does not depend on how the text was cut into
// tokens.
package answer

import (
	"strings"
	"unicode/utf8"
)

// Writer releases text as early as it may. The zero value has no stop strings.
type Writer struct {
	stops []string
	raw   []byte          // bytes of an unfinished character
	held  strings.Builder // whole characters that may begin a stop string
	done  bool
}

// New makes a writer that ends at the first stop string to be completed. Empty stop strings are ignored.
func New(stops []string) *Writer {
	w := &Writer{}
	for _, s := range stops {
		if s != "" {
			w.stops = append(w.stops, s)
		}
	}
	return w
}

// Push takes the bytes of a token and returns the text that may be shown now, which may be empty. stopped is true once a
// stop string is complete: the text before it has been released, nothing more will be.
func (w *Writer) Push(piece []byte) (text string, stopped bool) {
	if w.done {
		return "", true
	}
	w.raw = append(w.raw, piece...)
	whole := boundary(w.raw)
	if whole == 0 {
		return "", false
	}
	w.held.WriteString(valid(w.raw[:whole]))
	w.raw = append(w.raw[:0], w.raw[whole:]...)
	return w.release()
}

// Close returns what was held back, when the answer ended without a stop string. Bytes that never became a character come
// out as U+FFFD.
func (w *Writer) Close() string {
	if w.done {
		return ""
	}
	if len(w.raw) > 0 {
		w.held.WriteString(valid(w.raw))
		w.raw = nil
	}
	text, stopped := w.release()
	if !stopped {
		text += w.held.String()
	}
	w.done = true
	return text
}

// release cuts at a completed stop string, or keeps back the longest end of the text that begins one.
func (w *Writer) release() (string, bool) {
	s := w.held.String()
	if at := firstStop(s, w.stops); at >= 0 {
		w.done = true
		return s[:at], true
	}
	keep := 0
	for _, stop := range w.stops {
		keep = max(keep, overlap(s, stop))
	}
	w.held.Reset()
	w.held.WriteString(s[len(s)-keep:])
	return s[:len(s)-keep], false
}

// firstStop is where the text must be cut, or -1. The stop string that is complete first wins, since a reader of one
// character at a time would have ended there; of two that end together, the longer.
func firstStop(s string, stops []string) int {
	begin, end := -1, len(s)+1
	for _, stop := range stops {
		i := strings.Index(s, stop)
		if i < 0 {
			continue
		}
		if e := i + len(stop); e < end || e == end && i < begin {
			begin, end = i, e
		}
	}
	return begin
}

// overlap is the length of the longest end of s that is a proper beginning of stop.
func overlap(s, stop string) int {
	for n := min(len(s), len(stop)-1); n > 0; n-- {
		if strings.HasSuffix(s, stop[:n]) {
			return n
		}
	}
	return 0
}

// boundary is the length of the part of b that ends with a whole character: all of b, unless up to three bytes at its end
// begin a character that more bytes may complete.
func boundary(b []byte) int {
	for back := 1; back <= min(utf8.UTFMax-1, len(b)); back++ {
		i := len(b) - back
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}

// valid replaces each byte that belongs to no character by U+FFFD, one for one as a decoder of runes does.
func valid(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		s.WriteRune(r)
		b = b[n:]
	}
	return s.String()
}
