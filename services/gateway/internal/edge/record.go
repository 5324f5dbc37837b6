package edge

import (
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/slipway-ai/slipway/pkg/fault"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/dialect"
	"github.com/slipway-ai/slipway/services/gateway/internal/journal"
	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
)

// begin writes the request into the log. From here on it has exactly one END.
func (x *exchange) begin() error {
	ticket, err := x.Journal.Begin(x.opening())
	if err != nil {
		return err
	}
	x.ticket, x.begun = ticket, true
	return nil
}

// opening is what is known of a request when it is admitted.
func (x *exchange) opening() *monitorv1.InferenceRecord {
	r := x.record
	r.Reset()
	r.RequestId, r.ClientRequestId, r.SessionId = x.id, x.clientID, x.session
	r.RequestTime, r.TrafficBucket = x.moment, int32(x.bucket)
	r.Requester, r.Task, r.Stream = x.principal.Name, x.taskName(), x.stream
	r.Request, r.RequestBytes = x.body, x.size
	if x.parent != "" {
		r.TraceId, r.SpanId = x.parent[3:35], x.parent[36:52]
	}
	if x.endpoint != nil {
		r.Endpoint, r.ConfigRevision = x.endpoint.Name, x.endpoint.ConfigRevision
	}
	return r
}

// settle writes the END, and when that is safe, counts the request. An error says that the answer's last byte must not leave.
// response, when not nil, is the answer as the caller sees it.
func (x *exchange) settle(status int, reason string, response []byte) error {
	x.settled = true
	if !x.out.counted {
		x.estimate(status)
	}
	took := x.Clock.Now().Sub(x.start)
	r := x.record
	r.Reset()
	r.StatusCode, r.ErrorReason = int32(status), reason
	r.ConfigRevision = x.endpoint.ConfigRevision // it may have changed while the request waited
	r.ServedEntity, r.ModelVersion, r.PromptVersion = x.entity.Name, x.modelVersion(), x.out.prompt
	r.ExecutionDurationUs, r.TtftUs, r.QueueUs = took.Microseconds(), x.out.ttft.Microseconds(), x.out.queueUS
	r.InputTokens, r.OutputTokens, r.UsageEstimated = x.out.usage.Input(), x.out.usage.Output(), x.out.usage.Estimated
	r.FinishReason, r.ResponseText = x.out.finish, string(x.buf.text)
	if x.stream && x.wrote {
		r.Response = dialect.AppendString(nil, x.buf.text)
		r.ResponseBytes = x.out.sent
	} else {
		r.Response, r.ResponseBytes = response, int64(len(response))
	}
	err := x.Journal.End(x.ticket, r)
	if err != nil {
		status, reason = fault.HTTPStatus(fault.KindOf(err)), fault.Reason(err) // what the caller will get instead
	}
	x.count(status)
	x.describe(status, reason)
	return err
}

// estimate counts what nobody counted. A request that no model saw cost nothing.
func (x *exchange) estimate(status int) {
	if status == http.StatusOK || x.out.chars > 0 {
		x.out.usage = meter.Estimate(x.req.TextBytes(), x.out.chars)
		if x.out.pieces > 0 {
			x.out.usage.OutputText = x.out.pieces // an engine sends about a token at a time
		}
	}
}

func (x *exchange) modelVersion() string {
	if x.entity.External != nil {
		return x.entity.External.Model
	}
	return x.entity.ModelVersion
}

func (x *exchange) count(status int) {
	took := x.Clock.Now().Sub(x.start)
	x.Meter.Bind(meter.Labels{Endpoint: x.endpoint.Name, Entity: x.entity.Name, Task: x.taskName()}).Count(meter.Request{
		Status: status, Stream: x.stream, Usage: x.out.usage, Duration: took, TTFT: x.out.ttft,
		Overhead: max(took-x.out.waited, 0), Retries: x.out.retries,
	})
}

// refuse makes a row of a request that did not reach its BEGIN, when it is known whose it was or what for.
func (x *exchange) refuse(p problem) {
	x.Meter.Refused(p.Reason)
	x.describe(p.Status, p.Reason)
	if !x.known && x.endpoint == nil || x.to.task == taskModels || p.Status == http.StatusMethodNotAllowed {
		return
	}
	if !x.known && !x.strangers.Admit("", strangersRate, x.Clock.Now()).Allowed {
		x.Meter.Unlogged()
		return
	}
	r := x.opening()
	r.StatusCode, r.ErrorReason = int32(p.Status), p.Reason
	r.ExecutionDurationUs = x.Clock.Now().Sub(x.start).Microseconds()
	r.Response, r.ResponseBytes = p.body, int64(len(p.body))
	if !x.known {
		r.Request = nil // a stranger's words are not kept
	}
	if p.Reason == journal.InvalidUTF8 {
		r.LoggingErrorCodes = []string{journal.InvalidUTF8}
	}
	if err := x.Journal.Whole(r); err != nil && !fault.Is(err, fault.Unavailable) {
		x.Log.ErrorContext(x.ctx, "refusal not logged", "request_id", x.id, "error", err)
	}
}

// describe puts what happened onto the request's span.
func (x *exchange) describe(status int, reason string) {
	if !x.span.IsRecording() {
		return
	}
	attrs := []attribute.KeyValue{
		attribute.String("http.request.method", x.r.Method), attribute.String("http.route", x.to.route[strings.IndexByte(x.to.route, ' ')+1:]),
		attribute.Int("http.response.status_code", status), attribute.String("slipway.request_id", x.id),
	}
	if x.endpoint != nil {
		attrs = append(attrs, attribute.String("gen_ai.operation.name", x.taskName()), attribute.String("gen_ai.request.model", x.endpoint.Name))
	}
	if x.begun {
		attrs = append(attrs,
			attribute.String("slipway.served_entity", x.entity.Name), attribute.String("gen_ai.response.model", x.modelVersion()),
			attribute.Int64("gen_ai.usage.input_tokens", x.out.usage.Input()), attribute.Int64("gen_ai.usage.output_tokens", x.out.usage.Output()))
		if x.out.finish != "" {
			attrs = append(attrs, attribute.StringSlice("gen_ai.response.finish_reasons", []string{x.out.finish}))
		}
	}
	if reason != "" {
		attrs = append(attrs, attribute.String("error.type", reason))
	}
	if status >= http.StatusInternalServerError || reason != "" && status == http.StatusOK {
		x.span.SetStatus(codes.Error, reason)
	}
	x.span.SetAttributes(attrs...)
}
