package edge

import (
	"errors"
	"net/http"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/dialect"
)

// errMethod: the path exists, the method does not.
var errMethod = errors.New("method not allowed")

// problem is an error as this caller gets it.
type problem struct {
	dialect.Problem
	body []byte
}

// problem writes an error in the surface's manner. A provider's own words pass as they are, on the surface that knows them.
func (x *exchange) problem(err error) problem {
	if errors.Is(err, errMethod) {
		p := problem{Problem: dialect.Problem{
			Status: http.StatusMethodNotAllowed, Message: "this path does not take " + x.r.Method, Type: "invalid_request_error", Reason: "METHOD_NOT_ALLOWED",
		}}
		p.body = x.problemBody(p.Problem)
		return p
	}
	p := problem{Problem: dialect.ProblemOf(err)}
	var theirs *providerError
	if errors.As(err, &theirs) && theirs.status != 0 {
		p.Status = theirs.status
		if x.to.surface == openAI {
			p.body = theirs.body
			return p
		}
	}
	p.body = x.problemBody(p.Problem)
	return p
}

func (x *exchange) problemBody(p dialect.Problem) []byte {
	if x.to.surface == databricks {
		return p.AppendDatabricks(nil)
	}
	return p.AppendOpenAI(nil)
}

func (x *exchange) writeProblem(p problem) {
	h := x.w.Header()
	if seconds, ms := p.RetryAfterHeaders(); seconds != "" {
		h["Retry-After"], h["Retry-After-Ms"] = []string{seconds}, []string{ms}
	}
	switch p.Status {
	case http.StatusUnauthorized:
		h["Www-Authenticate"] = bearer
	case http.StatusMethodNotAllowed:
		h["Allow"] = postOnly
		if x.to.task == taskModels {
			h["Allow"] = getOnly
		}
	}
	x.write(p.Status, p.body)
}

// unknownPath answers what the edge was handed and does not know.
func (x *exchange) unknownPath() {
	x.conclude(fault.New("edge", fault.NotFound, "there is no %s %s here", x.r.Method, clip(x.r.URL.Path)).WithReason("UNKNOWN_PATH"))
}

// providerError is a provider's refusal that its caller should see as it is: the request was wrong, not the gateway.
type providerError struct {
	status int // 0: the gateway's own status for the kind
	body   []byte
	err    error
}

func (e *providerError) Error() string { return e.err.Error() }
func (e *providerError) Unwrap() error { return e.err }
