package fault

import "net/http"

// Kind says what went wrong in a word that programs branch on. The set is closed: a finer distinction is a Reason.
type Kind string

// The kinds, from the caller's mistakes to ours.
const (
	Invalid            Kind = "INVALID"             // the request itself is wrong and will stay wrong
	Unauthenticated    Kind = "UNAUTHENTICATED"     // nobody we know
	PermissionDenied   Kind = "PERMISSION_DENIED"   // somebody we know, who may not
	NotFound           Kind = "NOT_FOUND"           // no such thing, or none that the caller may see
	AlreadyExists      Kind = "ALREADY_EXISTS"      // the name is taken
	FailedPrecondition Kind = "FAILED_PRECONDITION" // right request, wrong state: change the state first
	Aborted            Kind = "ABORTED"             // lost a race: read again, then try again
	TooLarge           Kind = "TOO_LARGE"           // a size limit; smaller would be accepted
	ResourceExhausted  Kind = "RESOURCE_EXHAUSTED"  // a rate, budget or capacity limit; later would be accepted
	Canceled           Kind = "CANCELED"            // the caller went away
	DeadlineExceeded   Kind = "DEADLINE_EXCEEDED"   // the time given was not enough
	Unavailable        Kind = "UNAVAILABLE"         // not now; trying again is right
	Unimplemented      Kind = "UNIMPLEMENTED"       // this platform does not do that
	DataLoss           Kind = "DATA_LOSS"           // stored bytes are damaged
	Internal           Kind = "INTERNAL"            // our mistake; the text says nothing, the log says all
)

// Kinds lists every kind, for tables and for tests that must cover them all.
func Kinds() []Kind {
	return []Kind{
		Invalid, Unauthenticated, PermissionDenied, NotFound, AlreadyExists, FailedPrecondition, Aborted, TooLarge,
		ResourceExhausted, Canceled, DeadlineExceeded, Unavailable, Unimplemented, DataLoss, Internal,
	}
}

// StatusClientClosed is the status of a call whose client went away before the answer (nginx's 499; HTTP names none).
const StatusClientClosed = 499

type meaning struct {
	http    int
	generic string
}

// FailedPrecondition is 409 and not 400: the request is well-formed, it is the state that stands in its way, and a client
// that repeats it after changing the state succeeds. gRPC-gateway's default (400) would make that look like a typo.
var meanings = map[Kind]meaning{
	Invalid:            {http.StatusBadRequest, "the request is not valid"},
	Unauthenticated:    {http.StatusUnauthorized, "authentication is required"},
	PermissionDenied:   {http.StatusForbidden, "permission denied"},
	NotFound:           {http.StatusNotFound, "not found"},
	AlreadyExists:      {http.StatusConflict, "already exists"},
	FailedPrecondition: {http.StatusConflict, "the current state does not allow this"},
	Aborted:            {http.StatusConflict, "a concurrent change came first; try again"},
	TooLarge:           {http.StatusRequestEntityTooLarge, "too large"},
	ResourceExhausted:  {http.StatusTooManyRequests, "a limit is reached; try again later"},
	Canceled:           {StatusClientClosed, "the call was canceled"},
	DeadlineExceeded:   {http.StatusGatewayTimeout, "the deadline passed"},
	Unavailable:        {http.StatusServiceUnavailable, "temporarily unavailable; try again"},
	Unimplemented:      {http.StatusNotImplemented, "not implemented"},
	DataLoss:           {http.StatusInternalServerError, "stored data is damaged"},
	Internal:           {http.StatusInternalServerError, "internal error"},
}

// Generic is a public sentence that says no more than the kind.
func (k Kind) Generic() string {
	if m, ok := meanings[k]; ok {
		return m.generic
	}
	return meanings[Internal].generic
}

// HTTPStatus is the HTTP status of a kind: 200 for "", 500 for a kind nobody knows.
func HTTPStatus(k Kind) int {
	if k == "" {
		return http.StatusOK
	}
	if m, ok := meanings[k]; ok {
		return m.http
	}
	return http.StatusInternalServerError
}
