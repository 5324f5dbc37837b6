package edge

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/dialect"
	"github.com/slipway-ai/slipway/services/gateway/internal/upstream"
)

// external has a provider answer. Both sides speak OpenAI: the answer's bytes pass as they are, and are read on the way.
func (x *exchange) external(req *dialect.Request) error {
	to := x.entity.External
	provider, ok := x.Providers.Lookup(to.Provider)
	if !ok {
		return fault.New("edge.external", fault.Unavailable, "the provider of %s is not configured", x.entity.Name).WithReason("PROVIDER_MISCONFIGURED")
	}
	body := req.AppendBody(x.buf.ask, dialect.Rewrite{Model: to.Model, ForceUsage: x.stream})
	x.buf.ask = body
	path := "/chat/completions"
	if x.to.task == taskEmbed {
		path = "/embeddings"
	}
	span, parent := x.callSpan(to.Provider, to.Model)
	defer span.End()
	call := upstream.Call{
		BaseURL: provider.BaseURL, Path: path, Key: provider.Key, Body: body, Stream: x.stream, RequestID: x.id, Deadline: x.deadline,
		Traceparent: parent, Tracestate: span.SpanContext().TraceState().String(),
	}
	from := x.Clock.Now()
	answer, err := x.HTTP.Do(x.ctx, &call)
	x.waitedSince(from)
	if err == nil {
		defer func() { _ = answer.Body.Close() }()
		switch {
		case answer.Status != http.StatusOK:
			err = x.refusal(answer)
		case x.stream:
			err = x.passStream(answer)
		default:
			err = x.passWhole(answer)
		}
	}
	if err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, fault.Reason(err))
	}
	return err
}

// callSpan is the span of the call to a provider: a child of the request's, and the parent of whatever the provider tells.
func (x *exchange) callSpan(provider, model string) (span trace.Span, parent string) {
	if !x.span.IsRecording() {
		return x.span, x.parent // nobody will see it; its ids are passed on all the same
	}
	_, span = x.Tracer.Start(x.ctx, x.taskName()+" "+model, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("gen_ai.operation.name", x.taskName()), attribute.String("gen_ai.provider.name", provider), attribute.String("gen_ai.request.model", model),
	))
	return span, traceparent(span.SpanContext())
}

// readAnswer reads a whole answer, up to the cap, into the answer buffer.
func (x *exchange) readAnswer(a *upstream.Answer, limit int) ([]byte, error) {
	defer x.waitedSince(x.Clock.Now())
	b := sized(x.buf.answer, int(min(a.ContentLength, int64(limit)))+1)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := a.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		x.buf.answer = b
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, x.lost(err)
		case len(b) > limit:
			return b, fault.New("edge.readAnswer", fault.TooLarge, "the provider's answer is larger than %d bytes", limit).WithReason("ANSWER_TOO_LARGE")
		}
	}
}

// lost is an answer that broke off, by whose fault the context says.
func (x *exchange) lost(err error) error {
	if x.ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return fault.Wrap("edge.external", fault.DeadlineExceeded, err, "the answer did not end within the request's time").WithReason("PROVIDER_TIMEOUT")
	}
	return fault.Wrap("edge.external", fault.Unavailable, err, "the provider's answer broke off").WithReason("PROVIDER_LOST")
}

// passWhole passes an answer that is not streamed.
func (x *exchange) passWhole(a *upstream.Answer) error {
	body, err := x.readAnswer(a, x.Settings.MaxAnswer)
	if err != nil {
		return err
	}
	x.firstToken()
	reading, err := dialect.Read(body, x.buf.piece)
	x.buf.piece = reading.Text
	if err != nil {
		return fault.Wrap("edge.passWhole", fault.Unavailable, err, "the provider's answer is not JSON").WithReason("PROVIDER_ANSWER_INVALID")
	}
	if reading.Failed { // an error in the clothes of a success
		return reading.Fault("edge.passWhole", fault.Unavailable)
	}
	x.noteReading(&reading)
	keep(x, reading.Text)
	if err := x.settle(http.StatusOK, "", body); err != nil {
		return err
	}
	x.write(http.StatusOK, body)
	return nil
}

func (x *exchange) noteReading(r *dialect.Reading) {
	if r.Finish != "" {
		x.out.finish = r.Finish
	}
	if r.Counted {
		x.out.usage, x.out.counted = r.Usage, true
	}
}

// maxRefusal bounds what is read of a provider's error.
const maxRefusal = 64 << 10

// refusal makes an error of an answer that is none. What the caller did wrong is passed in the provider's words; what concerns
// the gateway's own key is not.
func (x *exchange) refusal(a *upstream.Answer) error {
	body, err := x.readAnswer(a, maxRefusal)
	if err != nil && !fault.Is(err, fault.TooLarge) {
		return err
	}
	const op = "edge.refusal"
	reading, notJSON := dialect.Read(body, nil)
	wait := retryAfter(a.Header)
	said := reading.Message
	if said == "" {
		said = "the provider answered with status " + strconv.Itoa(a.Status)
	}
	switch s := a.Status; {
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		err = fault.New(op, fault.Unavailable, "the provider of %s refused the gateway's credentials", x.entity.Name).WithReason("PROVIDER_CREDENTIALS")
	case s == http.StatusTooManyRequests:
		err = fault.New(op, fault.ResourceExhausted, "%s", said).WithReason("PROVIDER_RATE_LIMITED").WithRetryAfter(wait)
	case s == http.StatusRequestTimeout || s == http.StatusGatewayTimeout:
		err = fault.New(op, fault.DeadlineExceeded, "%s", said).WithReason("PROVIDER_TIMEOUT")
	case s >= 400 && s < 500:
		kind := fault.Invalid
		if s == http.StatusNotFound {
			kind = fault.NotFound
		}
		refused := &providerError{status: s, err: fault.New(op, kind, "%s", said).WithReason("PROVIDER_REFUSED")}
		if notJSON == nil && reading.Failed {
			refused.body = append([]byte(nil), body...)
		} else {
			refused.body = dialect.ProblemOf(refused.err).AppendOpenAI(nil)
		}
		err = refused
	default:
		err = fault.New(op, fault.Unavailable, "%s", said).WithReason("PROVIDER_ERROR").WithRetryAfter(wait)
	}
	return err
}

// retryAfter reads a provider's retry-after, in seconds, a date, or milliseconds.
func retryAfter(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return bound(time.Duration(ms * float64(time.Millisecond)))
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 {
		return bound(time.Duration(s * float64(time.Second)))
	}
	if at, err := http.ParseTime(v); err == nil {
		return bound(time.Until(at))
	}
	return 0
}

func bound(d time.Duration) time.Duration { return min(max(d, 0), time.Hour) }

// passStream passes an event stream. What has come in one read leaves in one write.
func (x *exchange) passStream(a *upstream.Answer) error {
	if kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type")); kind == "application/json" {
		return x.notAStream(a)
	}
	p := passage{exchange: x, events: dialect.NewEvents(a.Body, x.buf.answer), held: x.buf.out}
	err := p.run()
	x.buf.answer, x.buf.out = p.events.Buffer(), p.held
	return err
}

// notAStream is for providers that answer a stream's request with a JSON object: an error with status 200, mostly.
func (x *exchange) notAStream(a *upstream.Answer) error {
	body, err := x.readAnswer(a, maxRefusal)
	if err != nil {
		return err
	}
	if reading, err := dialect.Read(body, nil); err == nil && reading.Failed {
		return reading.Fault("edge.passStream", fault.Unavailable)
	}
	return fault.New("edge.passStream", fault.Unavailable, "the provider did not stream").WithReason("PROVIDER_ANSWER_INVALID")
}
