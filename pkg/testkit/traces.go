package testkit

import (
	"context"
	"encoding/hex"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// Span is one span as it arrived.
type Span struct {
	Service, Name     string
	TraceID, SpanID   string // hexadecimal
	ParentID          string // "" for the root
	Kind              tracev1.Span_SpanKind
	Start, End        time.Time
	Error             bool
	Attributes        map[string]string // values as text
	StatusDescription string
}

// Traces is a real OTLP/gRPC collector on loopback. Programs in this process and beside it send their spans to Endpoint,
// and a test asks for the tree of a trace.
type Traces struct {
	collectorv1.UnimplementedTraceServiceServer
	endpoint string
	mu       sync.Mutex
	spans    map[string]Span // by trace and span id: an exporter may send twice
}

// NewTraces starts a collector that lives as long as the test.
func NewTraces(t testing.TB) *Traces {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen for traces: %v", err)
	}
	tr := &Traces{endpoint: l.Addr().String(), spans: make(map[string]Span)}
	s := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(s, tr)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return tr
}

// Endpoint is the host:port for telemetry.Config.OTLPEndpoint, to be used without TLS.
func (tr *Traces) Endpoint() string { return tr.endpoint }

// Export takes spans, as the protocol asks.
func (tr *Traces) Export(_ context.Context, req *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		service := attributes(rs.GetResource().GetAttributes())["service.name"]
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				span := read(service, s)
				tr.spans[span.TraceID+span.SpanID] = span
			}
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

func read(service string, s *tracev1.Span) Span {
	return Span{
		Service: service, Name: s.GetName(), Kind: s.GetKind(),
		TraceID: hex.EncodeToString(s.GetTraceId()), SpanID: hex.EncodeToString(s.GetSpanId()), ParentID: hex.EncodeToString(s.GetParentSpanId()),
		Start: time.Unix(0, int64(s.GetStartTimeUnixNano())).UTC(), End: time.Unix(0, int64(s.GetEndTimeUnixNano())).UTC(),
		Error: s.GetStatus().GetCode() == tracev1.Status_STATUS_CODE_ERROR, StatusDescription: s.GetStatus().GetMessage(),
		Attributes: attributes(s.GetAttributes()),
	}
}

func attributes(kvs []*commonv1.KeyValue) map[string]string {
	m := make(map[string]string, len(kvs))
	for _, kv := range kvs {
		if text, ok := kv.GetValue().GetValue().(*commonv1.AnyValue_StringValue); ok {
			m[kv.GetKey()] = text.StringValue
		} else {
			_, value, _ := strings.Cut(kv.GetValue().String(), ":")
			m[kv.GetKey()] = strings.TrimSpace(value)
		}
	}
	return m
}

// Spans is what has arrived of a trace, all traces for "", by time of start.
func (tr *Traces) Spans(traceID string) []Span {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var out []Span
	for _, s := range tr.spans {
		if traceID == "" || s.TraceID == traceID {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Span) int { return a.Start.Compare(b.Start) })
	return out
}

// TraceIDs is every trace that has arrived, by time of its first span.
func (tr *Traces) TraceIDs() []string {
	var ids []string
	for _, s := range tr.Spans("") {
		if !slices.Contains(ids, s.TraceID) {
			ids = append(ids, s.TraceID)
		}
	}
	return ids
}

// Find waits for a span for which match is true.
func (tr *Traces) Find(t testing.TB, what string, match func(Span) bool) Span {
	t.Helper()
	var found Span
	Eventually(t, Patience, func() bool {
		for _, s := range tr.Spans("") {
			if match(s) {
				found = s
				return true
			}
		}
		return false
	}, "no span arrived: %s", what)
	return found
}
