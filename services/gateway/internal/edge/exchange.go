package edge

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/rpc"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/dialect"
	"github.com/slipway-ai/slipway/services/gateway/internal/limit"
	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// exchange is one request and its answer. It is used again for later requests: whatever is added here is cleared in enter.
type exchange struct {
	*Edge
	w  http.ResponseWriter
	r  *http.Request
	to destination

	ctx      context.Context
	span     trace.Span
	parent   string // the span as W3C writes it, empty when there is none
	start    time.Time
	deadline time.Time
	peers    context.Context
	end      context.CancelFunc

	id       string // ours
	clientID string // the caller's own
	session  string

	principal auth.Principal
	known     bool
	quota     limit.Decision

	buf       buffers
	body      []byte // what came; nil before it has
	size      int64  // of the body
	req       dialect.Request
	rendered  dialect.Request // the request that a prompt made of it
	model     string          // as the caller named it
	stream    bool
	wantUsage bool

	table    *route.Table
	endpoint *route.Endpoint
	entity   *route.Entity
	named    string // the served entity that the caller asked for
	unit     string
	bucket   int

	ticket  wal.Ticket
	begun   bool
	settled bool
	wrote   bool // the answer's head is out
	out     outcome
	record  *monitorv1.InferenceRecord
	moment  *timestamppb.Timestamp
}

// outcome is what became of the request.
type outcome struct {
	usage   meter.Usage
	counted bool
	finish  string
	chars   int   // bytes of all its text
	pieces  int64 // in which an engine sent it
	sent    int64 // bytes of the answer
	ttft    time.Duration
	waited  time.Duration // for others
	queueUS int64
	retries int
	prompt  string // the prompt version that was rendered
	failing time.Time
}

func (e *Edge) enter(w http.ResponseWriter, r *http.Request, to destination) *exchange {
	x, _ := e.exchanges.Get().(*exchange)
	if x == nil {
		x = &exchange{record: new(monitorv1.InferenceRecord), moment: new(timestamppb.Timestamp)}
	}
	*x = exchange{
		Edge: e, w: w, r: r, to: to, start: e.Clock.Now(), id: e.IDs.New(), bucket: -1,
		buf: x.buf, req: x.req, rendered: x.rendered, record: x.record, moment: x.moment,
	}
	x.deadline = x.start.Add(e.Settings.Timeout)
	x.moment.Seconds, x.moment.Nanos = x.start.Unix(), int32(x.start.Nanosecond()/1000*1000)
	x.clientID, x.session = x.header(clientIDHeaders), x.header(sessionHeaders)
	ctx := r.Context()
	if len(r.Header["Traceparent"]) > 0 {
		ctx = e.Propagator.Extract(ctx, carrier(r.Header))
	}
	x.ctx, x.span = e.Tracer.Start(ctx, to.route, asServer...)
	if c := x.span.SpanContext(); c.IsValid() {
		x.parent = traceparent(c)
	}
	e.Meter.Enter()
	return x
}

func (e *Edge) leave(x *exchange) {
	e.Meter.Leave()
	if x.end != nil {
		x.end()
	}
	x.span.End()
	x.buf.clear()
	// What is left refers to the request's memory; a pool must not keep that alive.
	*x = exchange{buf: x.buf, req: x.req, rendered: x.rendered, record: x.record, moment: x.moment}
	e.exchanges.Put(x)
}

// guard runs serve and answers what it returns, also when that is a panic.
func (x *exchange) guard(serve func() error) {
	defer func() {
		if p := recover(); p != nil {
			x.Log.ErrorContext(x.ctx, "request panicked", "request_id", x.id, "panic", p, "stack", string(debug.Stack()))
			x.conclude(fault.New("edge", fault.Internal, "the request failed inside the gateway; its id is %s", x.id))
		}
	}()
	if err := serve(); err != nil {
		x.conclude(err)
	}
}

// infer is the road of a request for an answer.
func (x *exchange) infer() error {
	if err := x.admit(); err != nil {
		return err
	}
	for {
		err := x.answer()
		if !errors.Is(err, errMoved) {
			return err
		}
	}
}

// errMoved: the routes have changed while the request waited, and it now goes to another entity.
var errMoved = errors.New("the request has another served entity now")

func (x *exchange) answer() error {
	req, err := x.effective()
	if err != nil {
		return err
	}
	if x.entity.External != nil {
		return x.external(req)
	}
	if x.to.task == taskEmbed {
		return x.embed(req)
	}
	return x.chat(req)
}

// conclude ends a request that failed: one END or one refusal in the log, and an error for the caller in a form that fits
// what has been sent already.
func (x *exchange) conclude(err error) {
	if x.r.Context().Err() != nil {
		err = fault.Wrap("edge", fault.Canceled, err, "the caller went away")
	}
	p := x.problem(err)
	status := p.Status
	switch {
	case !x.begun:
		x.refuse(p)
	case !x.settled:
		if x.wrote && status != fault.StatusClientClosed {
			status = http.StatusOK // what the caller was told
		}
		if logErr := x.settle(status, p.Reason, p.body); logErr != nil {
			x.Log.ErrorContext(x.ctx, "request not logged", "request_id", x.id, "error", logErr)
		}
	}
	if status >= http.StatusInternalServerError || x.wrote && status == http.StatusOK {
		x.Log.WarnContext(x.ctx, "request failed", "request_id", x.id, "status", p.Status, "reason", p.Reason, "error", err)
	}
	switch {
	case !x.wrote:
		x.writeProblem(p)
	case status != fault.StatusClientClosed: // else nobody listens
		x.push(p.AppendEvent(nil))
	}
}

// peer is the context for calls to other services: the gateway asks for itself, since the caller's right has been decided,
// and names the request. It ends with the caller, and at the request's deadline.
func (x *exchange) peer() context.Context {
	if x.peers == nil {
		x.peers, x.end = context.WithDeadline(rpc.WithRequestID(auth.With(x.ctx, gateway), x.id), x.deadline)
	}
	return x.peers
}

var gateway = auth.Service("gateway")

// waitedSince adds to the time that others took.
func (x *exchange) waitedSince(from time.Time) { x.out.waited += x.Clock.Now().Sub(from) }

// firstToken notes when the answer's first token came.
func (x *exchange) firstToken() {
	if x.out.ttft == 0 {
		x.out.ttft = max(x.Clock.Now().Sub(x.start), time.Microsecond)
	}
}

// keep notes text of the answer, as much as a row keeps.
func keep[T string | []byte](x *exchange, text T) {
	x.out.chars += len(text)
	if room := x.Settings.KeepText + 1 - len(x.buf.text); room > 0 { // one more, so that the journal sees that it was cut
		x.buf.text = append(x.buf.text, text[:min(len(text), room)]...)
	}
}
