package llamacpp

import (
	"strings"
	"sync"
)

// Level is ggml's log level.
type Level int32

// The levels of ggml.h. LevelCont continues the line before.
const (
	LevelDebug Level = 1
	LevelInfo  Level = 2
	LevelWarn  Level = 3
	LevelError Level = 4
	levelCont  Level = 5
)

// logSink puts the engine's pieces of text together to lines, and remembers the latest errors: a call that fails returns
// nothing but NULL, and the reason is only in the log.
type logSink struct {
	mu     sync.Mutex
	out    func(Level, string)
	level  Level
	line   strings.Builder
	errors []string
}

const keptErrors = 8

func newLogSink(out func(Level, string)) *logSink {
	if out == nil {
		out = func(Level, string) {}
	}
	return &logSink{out: out, level: LevelInfo}
}

// callback is what C calls. purego wants one word back though the C type returns nothing.
func (s *logSink) callback(level int32, text, _ uintptr) uintptr {
	s.add(Level(level), goString(text))
	return 0
}

func (s *logSink) add(level Level, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if level != levelCont {
		s.level = level
	}
	for {
		head, tail, whole := strings.Cut(text, "\n")
		s.line.WriteString(head)
		if !whole {
			return
		}
		if line := strings.TrimSpace(s.line.String()); line != "" {
			if s.level == LevelError {
				s.errors = append(s.errors, line)
				s.errors = s.errors[max(0, len(s.errors)-keptErrors):]
			}
			s.out(s.level, line)
		}
		s.line.Reset()
		text = tail
	}
}

// reset forgets earlier errors; take returns those since.
func (s *logSink) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors = nil
}

func (s *logSink) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.errors, "; ")
}
