package domain

import (
	"math"
	"time"
	"unicode/utf8"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// FeedbackSource is who judged.
type FeedbackSource string

// The sources.
const (
	SourceHuman    FeedbackSource = "HUMAN"
	SourceLLMJudge FeedbackSource = "LLM_JUDGE"
	SourceCode     FeedbackSource = "CODE"
)

// Feedback is one judgement of one request. It is never changed: a new opinion is
// a new row, and who counts decides which one matters.
type Feedback struct {
	ID         string
	RequestID  string
	Endpoint   string
	Name       string // what was judged: thumbs, correctness, …
	Value      any    // bool, float64 or string
	Rationale  string
	Source     FeedbackSource
	Creator    string
	CreateTime time.Time
}

// MaxFeedbackText bounds a text value, in bytes.
const MaxFeedbackText = 4096

// Validate says what is wrong with a judgement.
func (f Feedback) Validate() error {
	const op = "monitor.Feedback"
	invalid := func(reason, text string) error { return fault.New(op, fault.Invalid, "%s", text).WithReason(reason) }
	if f.RequestID == "" || f.Endpoint == "" || f.Name == "" {
		return invalid("FEEDBACK_INVALID", "feedback needs a request id, an endpoint and a name")
	}
	switch v := f.Value.(type) {
	case bool:
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return invalid("FEEDBACK_VALUE_INVALID", "a feedback number must be finite")
		}
	case string:
		if len(v) > MaxFeedbackText || !utf8.ValidString(v) {
			return invalid("FEEDBACK_VALUE_INVALID", "a feedback text must be valid UTF-8 of at most 4096 bytes")
		}
	default:
		return invalid("FEEDBACK_VALUE_INVALID", "a feedback value must be true, false, a number or a text")
	}
	switch f.Source {
	case SourceHuman, SourceLLMJudge, SourceCode:
	default:
		return invalid("FEEDBACK_SOURCE_INVALID", "feedback comes from HUMAN, LLM_JUDGE or CODE")
	}
	return nil
}
