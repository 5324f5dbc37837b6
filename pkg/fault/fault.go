// Package fault is the one error type of the platform. An error here speaks to three readers at once: Kind is for
// programs, which branch on it; Op is for operators, who look for the place; Text is for people who called us. The Cause
// is for the log alone and never crosses an edge. The package knows no transport: pkg/rpc maps a Kind to a gRPC status
// and back, and HTTPStatus maps it to HTTP, so that every edge says the same thing about the same failure.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Error is a failure with a kind. Build one with New or Wrap; read one with KindOf, Text and Reason, which also
// understand errors that are not an *Error.
type Error struct {
	Op         string        // where: "registry.CreateModel"
	Kind       Kind          // what, for programs
	Reason     string        // UPPER_SNAKE, stable, finer than Kind; String(Kind) when nobody said more
	Text       string        // public: may be shown to whoever called
	Cause      error         // private: for the log; errors.Is and errors.As look through it
	RetryAfter time.Duration // > 0: the caller may try again after this long
}

// New makes an error whose text is public. The format must not carry secrets or inner causes: use Wrap for those.
func New(op string, kind Kind, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Reason: string(kind), Text: fmt.Sprintf(format, args...)}
}

// Wrap makes an error with a public text and a private cause.
func Wrap(op string, kind Kind, cause error, format string, args ...any) *Error {
	e := New(op, kind, format, args...)
	e.Cause = cause
	return e
}

// WithReason names the failure more finely than its kind does, and returns e.
func (e *Error) WithReason(reason string) *Error {
	e.Reason = reason
	return e
}

// WithRetryAfter tells the caller when another try makes sense, and returns e.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

// Error is the operator's text: place, kind, public text and the private cause. It belongs in the log; callers get Text.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	b.WriteString(string(e.Kind))
	if e.Reason != "" && e.Reason != string(e.Kind) {
		b.WriteString(" " + e.Reason)
	}
	if e.Text != "" {
		b.WriteString(": " + e.Text)
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	return b.String()
}

// Unwrap lets errors.Is and errors.As see the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf is the kind of any error: "" for nil, the kind of the outermost *Error, Canceled and DeadlineExceeded for the
// context's errors, Internal for everything else. An *Error that says Internal about a cause which is a context error is
// reported as that: whoever wrapped it did not know why the call ended, the context does.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) && e.Kind != Internal && e.Kind != "" {
		return e.Kind
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded
	}
	return Internal
}

// Is reports whether err is of kind k. A nil error is of no kind.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// Text is the public text of err: the Text of the outermost *Error, or a generic sentence for its kind. It never shows a
// cause.
func Text(err error) string {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) && e.Text != "" {
		return e.Text
	}
	return KindOf(err).Generic()
}

// Reason is the stable UPPER_SNAKE reason of err, its kind when nobody said more, and "" for nil.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	var e *Error
	if kind := KindOf(err); !errors.As(err, &e) || e.Reason == "" || e.Reason == string(Internal) {
		return string(kind)
	}
	return e.Reason
}

// RetryAfter is how long the caller should wait before another try; 0 when err does not say.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
