package inference

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits bound what a row holds.
type Limits struct {
	Body  int // bytes of the request, and of the response
	Field int // bytes of any other text
}

// DefaultLimits hold any chat and keep a row below what engines read in one page.
func DefaultLimits() Limits { return Limits{Body: 8 << 20, Field: 4 << 10} }

// Prepare makes a record fit for the table and reads its features. It never
// refuses: what cannot be stored as it is, is stored as near as can be, and
// LoggingErrorCodes says so. Source, Epoch and Seq must be set; now is the time
// for a record that has no possible one.
func Prepare(r *Record, l Limits, now time.Time) {
	r.clean(l)
	if y := r.RequestTime.Year(); r.RequestTime.IsZero() || y < 1970 || y > 9999 {
		r.RequestTime = now
		r.code(CodeInvalidTime)
	}
	r.RequestTime = r.RequestTime.UTC().Truncate(time.Microsecond)
	if r.RequestID == "" {
		// Unique and the same at every attempt, as the position in the log is.
		r.RequestID = fmt.Sprintf("%s/%d/%d", r.Source, r.Epoch, r.Seq)
		r.code(CodeMissingID)
	}
	r.extract()
}

func (r *Record) code(c string) {
	if !slices.Contains(r.LoggingErrorCodes, c) {
		r.LoggingErrorCodes = append(r.LoggingErrorCodes, c)
	}
}

// clean makes all text valid and short enough.
func (r *Record) clean(l Limits) {
	if r.RequestBytes == 0 {
		r.RequestBytes = int64(len(r.Request))
	}
	if r.ResponseBytes == 0 {
		r.ResponseBytes = int64(len(r.Response))
	}
	for _, f := range []*string{
		&r.RequestID, &r.ClientRequestID, &r.TraceID, &r.SpanID, &r.Endpoint, &r.ServedEntity, &r.ModelVersion, &r.PromptVersion,
		&r.Requester, &r.Task, &r.SessionID, &r.ErrorReason, &r.FinishReason, &r.Source,
	} {
		r.fitText(f, l.Field, CodeFieldTooLong)
	}
	for i := range r.LoggingErrorCodes {
		r.fitText(&r.LoggingErrorCodes[i], l.Field, CodeFieldTooLong)
	}
	r.fitText(&r.Request, l.Body, CodeRequestTooLarge)
	r.fitText(&r.Response, l.Body, CodeResponseTooLarge)
	r.fitText(&r.ResponseText, l.Body, CodeResponseTooLarge)
}

func (r *Record) fitText(s *string, limit int, code string) {
	if len(*s) > limit {
		*s = cutRunes(*s, limit)
		r.code(code)
	}
	if !utf8.ValidString(*s) {
		*s = strings.ToValidUTF8(*s, "\uFFFD")
		r.code(CodeInvalidUTF8)
	}
}

// cutRunes is the longest prefix of whole runes of at most n bytes.
func cutRunes(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
