package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// bar draws how much of a file is sent, on a terminal only.
type bar struct {
	w          io.Writer
	name       string
	sent, size int64
	shown      int64
}

func newBar(w io.Writer, name string, size int64) *bar {
	b := &bar{name: name, size: size, shown: -1}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			b.w = w
		}
	}
	return b
}

// Write counts; it is the other end of a TeeReader.
func (b *bar) Write(p []byte) (int, error) {
	b.sent += int64(len(p))
	if percent := 100 * b.sent / max(1, b.size); b.w != nil && percent != b.shown {
		b.shown = percent
		full := int(percent * 30 / 100)
		fmt.Fprintf(b.w, "\r%s %s%s %3d %%", b.name, strings.Repeat("█", full), strings.Repeat("░", 30-full), percent)
	}
	return len(p), nil
}

func (b *bar) end() {
	if b.w != nil {
		fmt.Fprintln(b.w)
	}
}
