// Package inference knows what a row of the inference table is: which columns it
// has, how a logged request becomes one, and what is read out of the bodies
// while they are at hand anyway.
//
// Features are taken when a record is written, never when it is looked at.
// Parsing JSON costs a hundred times what comparing a column of lengths costs,
// and a monitor looks at the same row in every window it falls into.
package inference

import "time"

// Record is one request to an endpoint and its answer. Times are microseconds;
// zero in an optional number means that there is none.
type Record struct {
	RequestID       string
	ClientRequestID string
	TraceID         string
	SpanID          string
	RequestTime     time.Time // microseconds, UTC
	Endpoint        string
	ServedEntity    string
	ModelVersion    string // models:/c.s.m/3, or the name of an external model
	PromptVersion   string
	Requester       string
	Task            string
	TrafficBucket   int64 // 0–9999, -1 when none
	ConfigRevision  int64
	SessionID       string
	Stream          bool
	StatusCode      int64 // 0: the process died before there was one
	ErrorReason     string

	ExecutionDuration int64 // µs
	TTFT              int64 // µs
	Queue             int64 // µs

	InputTokens    int64
	OutputTokens   int64
	UsageEstimated bool
	FinishReason   string

	Request           string
	Response          string
	ResponseText      string
	RequestBytes      int64
	ResponseBytes     int64
	LoggingErrorCodes []string

	// What this package finds; see Prepare.
	Features

	// Where the record came from.
	Source string
	Epoch  int64
	Seq    int64
}

// Features are what is read out of the bodies.
type Features struct {
	ModelName      string  // c.s.m of the model version, or the external name
	RequestedModel string  // "model" of the request body
	EndUser        string  // "user" of the request body
	ResponseFormat string  // "response_format.type" of the request body
	Lang           string  // BCP 47 of the prompt
	LangConfidence float64 // 0 to 1
	ResponseLang   string  // BCP 47 of the answer
	PromptChars    int64   // of the last user message, or of the prompt or input
	ResponseChars  int64
	Messages       int64
	Tools          int64 // offered
	ToolCalls      int64 // made
	MaxTokens      int64
	Temperature    *float64
	CachedTokens   int64
	Refusal        bool
	TPOT           int64 // µs per output token after the first, of streams
}

// The codes that a row carries when what it holds is not what was sent.
const (
	CodeRequestTooLarge  = "MAX_REQUEST_SIZE_EXCEEDED"
	CodeResponseTooLarge = "MAX_RESPONSE_SIZE_EXCEEDED"
	CodeNotCaptured      = "RESPONSE_NOT_CAPTURED"
	CodeInvalidUTF8      = "INVALID_UTF8"
	CodeInvalidTime      = "INVALID_REQUEST_TIME"
	CodeMissingID        = "MISSING_REQUEST_ID"
	CodeFieldTooLong     = "FIELD_TRUNCATED"
)

// Day is the partition of the record: days since 1970, UTC.
func (r *Record) Day() int64 {
	us := r.RequestTime.UnixMicro()
	day := us / dayMicros
	if us%dayMicros < 0 {
		day--
	}
	return day
}

const dayMicros = 86_400_000_000
