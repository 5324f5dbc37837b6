package supervise

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
)

// lines is a worker's standard error: lines of our own logger as JSON, and whatever C++ or a dying runtime writes. Both go
// to the log under the instance's name, and the latest are kept, because they are the only word of a process that died.
type lines struct {
	log  *slog.Logger
	mu   sync.Mutex
	part []byte
	tail []string
}

const (
	keptLines = 40
	longLine  = 4096
)

// Write takes bytes of standard error.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(b)
	for {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		l.part = append(l.part, line...)
		if len(l.part) > longLine {
			l.part = l.part[:longLine]
		}
		if !whole {
			return n, nil
		}
		l.line(strings.TrimRight(strings.ToValidUTF8(string(l.part), "\uFFFD"), " \r"))
		l.part = l.part[:0]
		b = rest
	}
}

func (l *lines) line(s string) {
	if s == "" {
		return
	}
	record := map[string]any{}
	if strings.HasPrefix(s, "{") && json.Unmarshal([]byte(s), &record) == nil {
		l.ours(record)
		return
	}
	l.keep(s)
	l.log.Warn("engine worker wrote", slog.String("line", s))
}

// ours repeats a line of the worker's own logger.
func (l *lines) ours(record map[string]any) {
	var level slog.Level
	text, _ := record[slog.LevelKey].(string)
	_ = level.UnmarshalText([]byte(text)) // unknown: information
	msg, _ := record[slog.MessageKey].(string)
	attrs := make([]slog.Attr, 0, len(record))
	for k, v := range record {
		switch k {
		case slog.LevelKey, slog.MessageKey, slog.TimeKey, "service":
			continue
		}
		attrs = append(attrs, slog.Any(k, v))
	}
	if level >= slog.LevelWarn {
		said, _ := record["line"].(string)
		l.keep(strings.TrimSpace(msg + " " + said))
	}
	l.log.LogAttrs(context.Background(), level, msg, attrs...)
}

func (l *lines) keep(s string) {
	l.tail = append(l.tail, s)
	l.tail = l.tail[max(0, len(l.tail)-keptLines):]
}

// last is the latest n kept lines.
func (l *lines) last(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.tail[max(0, len(l.tail)-n):], "; ")
}
