package dialect

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Problem is an error as it goes to a client over HTTP.
type Problem struct {
	Status     int
	Message    string
	Type       string
	Param      string // "" is null
	Code       string // "" is null
	Reason     string // ours: UPPER_SNAKE
	RetryAfter time.Duration
}

// ProblemOf turns any error into what its client may know of it. The cause stays behind.
func ProblemOf(err error) Problem {
	kind := fault.KindOf(err)
	p := Problem{
		Status: fault.HTTPStatus(kind), Message: fault.Text(err), Reason: fault.Reason(err), RetryAfter: fault.RetryAfter(err),
	}
	p.Type, p.Code = typeAndCode(kind, p.Reason)
	var bad *ParamError
	if errors.As(err, &bad) {
		p.Param = bad.Param
	}
	if p.RetryAfter == 0 && kind == fault.Unavailable {
		p.RetryAfter = time.Second
	}
	return p
}

// typeAndCode are the words that OpenAI's clients and their users know.
func typeAndCode(kind fault.Kind, reason string) (problem, code string) {
	switch kind {
	case fault.Invalid:
		switch reason {
		case "UNSUPPORTED_PARAMETER":
			return "invalid_request_error", "unsupported_parameter"
		case "UNKNOWN_PARAMETER":
			return "invalid_request_error", "unknown_parameter"
		case "MISSING_PARAMETER":
			return "invalid_request_error", "missing_required_parameter"
		case "CONTEXT_LENGTH_EXCEEDED":
			return "invalid_request_error", "context_length_exceeded"
		}
		return "invalid_request_error", ""
	case fault.Unauthenticated:
		return "invalid_request_error", "invalid_api_key"
	case fault.PermissionDenied:
		return "permission_error", "permission_denied"
	case fault.NotFound:
		return "invalid_request_error", "model_not_found"
	case fault.FailedPrecondition, fault.AlreadyExists, fault.Aborted:
		return "invalid_request_error", "conflict"
	case fault.TooLarge:
		return "invalid_request_error", "request_too_large"
	case fault.ResourceExhausted:
		return "requests", "rate_limit_exceeded"
	case fault.Canceled:
		return "invalid_request_error", "request_cancelled"
	case fault.DeadlineExceeded:
		return "server_error", "timeout"
	case fault.Unavailable:
		return "server_error", "service_unavailable"
	case fault.Unimplemented:
		return "invalid_request_error", "unsupported"
	case fault.Internal, fault.DataLoss:
	}
	return "server_error", "internal_error"
}

// AppendOpenAI appends OpenAI's error object.
func (p Problem) AppendOpenAI(dst []byte) []byte {
	dst = AppendString(append(dst, `{"error":{"message":`...), p.Message)
	dst = AppendString(append(dst, `,"type":`...), p.Type)
	dst = appendNullable(append(dst, `,"param":`...), p.Param)
	dst = appendNullable(append(dst, `,"code":`...), p.Code)
	return append(dst, "}}"...)
}

// AppendDatabricks appends the error object of Databricks' own API, whose clients take an "error" member for something else.
func (p Problem) AppendDatabricks(dst []byte) []byte {
	dst = AppendString(append(dst, `{"error_code":`...), databricksCode(p.Status))
	dst = AppendString(append(dst, `,"message":`...), p.Message)
	return append(dst, '}')
}

func databricksCode(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "INVALID_PARAMETER_VALUE"
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "RESOURCE_DOES_NOT_EXIST"
	case http.StatusConflict:
		return "RESOURCE_CONFLICT"
	case http.StatusRequestEntityTooLarge:
		return "MAX_REQUEST_SIZE_EXCEEDED"
	case http.StatusTooManyRequests:
		return "REQUEST_LIMIT_EXCEEDED"
	case http.StatusNotImplemented:
		return "NOT_IMPLEMENTED"
	case http.StatusServiceUnavailable:
		return "TEMPORARILY_UNAVAILABLE"
	case http.StatusGatewayTimeout:
		return "DEADLINE_EXCEEDED"
	}
	return "INTERNAL_ERROR"
}

// AppendEvent appends the error as an event of a stream that has begun, where the status can no longer tell it.
func (p Problem) AppendEvent(dst []byte) []byte {
	dst = p.AppendOpenAI(append(dst, "data: "...))
	return append(dst, "\n\n"...)
}

// RetryAfterHeaders are the values of retry-after, in whole seconds, and retry-after-ms; "" when the error does not say.
func (p Problem) RetryAfterHeaders() (seconds, milliseconds string) {
	if p.RetryAfter <= 0 {
		return "", ""
	}
	return strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))), strconv.FormatInt(int64(math.Ceil(float64(p.RetryAfter)/1e6)), 10)
}

func appendNullable(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return AppendString(dst, s)
}
