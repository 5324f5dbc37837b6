package rest

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/status"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/rpc"
)

// Problem is the body of every answer that is not a success.
type Problem struct {
	Code      string `json:"code"`       // a fault.Kind: NOT_FOUND
	Message   string `json:"message"`    // for people
	Reason    string `json:"reason"`     // finer than the code: MODEL_NOT_FOUND
	RequestID string `json:"request_id"` // the same as the header x-request-id
}

const (
	reasonMethod   = "METHOD_NOT_ALLOWED"
	reasonRange    = "RANGE_NOT_SATISFIABLE"
	reasonEncoding = "CONTENT_ENCODING_UNSUPPORTED"
)

// NotFound is what is said of a path where nothing is.
func NotFound() error {
	return fault.New("rest", fault.NotFound, "there is nothing at this path").WithReason("PATH_NOT_FOUND")
}

// MethodNotAllowed is what is said of a path that does not take a method.
func MethodNotAllowed(method string) error {
	return fault.New("rest", fault.Unimplemented, "this path does not take %s", method).WithReason(reasonMethod)
}

// Error answers with err's kind and public text; its cause stays here, for whoever logs the request.
func Error(w http.ResponseWriter, r *http.Request, err error) {
	NoteError(r.Context(), err)
	code := statusOf(err)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if code == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="slipway"`)
	}
	if d := fault.RetryAfter(err); d > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(d.Seconds()))))
	}
	w.WriteHeader(code)
	if r.Method == http.MethodHead {
		return
	}
	// A client that is gone cannot be told that it is.
	_ = json.NewEncoder(w).Encode(Problem{
		Code: string(fault.KindOf(err)), Message: strings.ToValidUTF8(fault.Text(err), "�"), Reason: fault.Reason(err), RequestID: rpc.RequestID(r.Context()),
	})
}

// statusOf is the HTTP status of an error: its kind's, but for three reasons that HTTP knows by a number of their own.
func statusOf(err error) int {
	switch fault.Reason(err) {
	case reasonMethod:
		return http.StatusMethodNotAllowed
	case reasonRange:
		return http.StatusRequestedRangeNotSatisfiable
	case reasonEncoding:
		return http.StatusUnsupportedMediaType
	}
	return fault.HTTPStatus(fault.KindOf(err))
}

// translated is the fault in an error of the translation. An owner's error is one already. The translation's own are bare
// statuses, about the caller's JSON and parameters; their text is for the caller.
func translated(err error) error {
	var already *fault.Error
	if errors.As(err, &already) {
		return err
	}
	var own interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &own) {
		return err
	}
	kind := fault.KindOf(rpc.FromStatus(err))
	if kind != fault.Invalid {
		return fault.Wrap("rest.translate", kind, err, "%s", kind.Generic())
	}
	return fault.Wrap("rest.translate", fault.Invalid, err, "%s", plain(own.GRPCStatus().Message())).WithReason("REQUEST_MALFORMED")
}

// plain takes out of a parser's message what only its authors read. The parser writes a non-breaking space at random, so
// that nobody depends on its texts.
func plain(s string) string {
	s = strings.ReplaceAll(s, "\u00a0", " ")
	s = strings.TrimPrefix(s, "proto: ")
	return "the request cannot be read: " + s
}

// notes are what a handler tells the one who logs the request.
type notes struct {
	err       error
	principal auth.Principal
}

type notesKey struct{}

// WithNotes lets handlers below ctx tell what happened, and returns how to read it afterwards.
func WithNotes(ctx context.Context) (context.Context, func() (auth.Principal, error)) {
	n := &notes{}
	return context.WithValue(ctx, notesKey{}, n), func() (auth.Principal, error) { return n.principal, n.err }
}

// NoteError tells the log why the request failed.
func NoteError(ctx context.Context, err error) {
	if n, ok := ctx.Value(notesKey{}).(*notes); ok {
		n.err = err
	}
}

// NotePrincipal tells the log whose request it was.
func NotePrincipal(ctx context.Context, p auth.Principal) {
	if n, ok := ctx.Value(notesKey{}).(*notes); ok {
		n.principal = p
	}
}
