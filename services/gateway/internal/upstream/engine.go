package upstream

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/fault"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/dialect"
	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
)

// Engines calls models at gpu-runtimes and keeps one connection to each.
type Engines struct {
	dial func(runtime string) (*grpc.ClientConn, error)

	mu    sync.Mutex
	conns map[string]*grpc.ClientConn
}

// NewEngines connects with dial, which is called once per runtime.
func NewEngines(dial func(runtime string) (*grpc.ClientConn, error)) *Engines {
	return &Engines{dial: dial, conns: map[string]*grpc.ClientConn{}}
}

// Conn is the connection to a runtime.
func (e *Engines) Conn(runtime string) (grpc.ClientConnInterface, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.conns[runtime]; c != nil {
		return c, nil
	}
	c, err := e.dial(runtime)
	if err != nil {
		return nil, err
	}
	e.conns[runtime] = c
	return c, nil
}

// Close closes the connections.
func (e *Engines) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var err error
	for _, c := range e.conns {
		err = errors.Join(err, c.Close())
	}
	clear(e.conns)
	return err
}

// Generation is an answer being written.
type Generation struct {
	stream grpc.ServerStreamingClient[gpuruntimev1.GenerateResponse]
}

// Generate begins an answer. ctx must be cancelled when it is no longer wanted.
func (e *Engines) Generate(ctx context.Context, i *route.Instance, requestID string, c dialect.Chat) (*Generation, error) {
	conn, err := e.Conn(i.Runtime)
	if err != nil {
		return nil, err
	}
	stream, err := gpuruntimev1.NewInferenceServiceClient(conn).Generate(ctx, generateRequest(i.ID, requestID, c))
	if err != nil {
		return nil, err
	}
	return &Generation{stream: stream}, nil
}

func generateRequest(instance, requestID string, c dialect.Chat) *gpuruntimev1.GenerateRequest {
	r := &gpuruntimev1.GenerateRequest{
		InstanceId: instance, RequestId: requestID, MaxTokens: c.MaxTokens, Stop: c.Stop,
		Messages: make([]*gpuruntimev1.Message, len(c.Messages)),
		Sampling: &gpuruntimev1.Sampling{
			Temperature: c.Temperature, TopP: c.TopP, TopK: c.TopK, Seed: c.Seed,
			FrequencyPenalty: c.FrequencyPenalty, PresencePenalty: c.PresencePenalty,
		},
	}
	for i, m := range c.Messages {
		r.Messages[i] = &gpuruntimev1.Message{Role: m.Role, Content: m.Content}
	}
	return r
}

// End is how an answer ended.
type End struct {
	Finish  dialect.Finish
	Usage   meter.Usage
	QueueUS int64
}

// Next returns the next text, or the end. An answer that stops without an end is fault.Unavailable: it was lost half-way.
func (g *Generation) Next() (text string, end *End, err error) {
	m, err := g.stream.Recv()
	if errors.Is(err, io.EOF) {
		return "", nil, fault.New("upstream.Generate", fault.Unavailable, "the engine stopped before the answer's end").WithReason("ENGINE_LOST")
	}
	if err != nil {
		return "", nil, err
	}
	f := m.GetFinish()
	if f == nil {
		return m.GetDelta(), nil, nil
	}
	end = &End{Finish: dialect.FinishStop, QueueUS: f.GetQueueUs(), Usage: meter.FromOpenAI(f.GetUsage().GetInputTokens(), 0, 0, f.GetUsage().GetOutputTokens(), 0, 0)}
	switch f.GetReason() {
	case gpuruntimev1.FinishReason_FINISH_REASON_LENGTH:
		end.Finish = dialect.FinishLength
	case gpuruntimev1.FinishReason_FINISH_REASON_CANCELLED:
		return "", nil, fault.New("upstream.Generate", fault.Unavailable, "the engine gave the answer up").WithReason("ENGINE_LOST")
	case gpuruntimev1.FinishReason_FINISH_REASON_STOP, gpuruntimev1.FinishReason_FINISH_REASON_UNSPECIFIED:
	}
	return "", end, nil
}

// Embed turns texts into vectors, one each, all finite.
func (e *Engines) Embed(ctx context.Context, i *route.Instance, requestID string, inputs []string) ([][]float32, meter.Usage, error) {
	conn, err := e.Conn(i.Runtime)
	if err != nil {
		return nil, meter.Usage{}, err
	}
	resp, err := gpuruntimev1.NewInferenceServiceClient(conn).Embed(ctx, &gpuruntimev1.EmbedRequest{
		InstanceId: i.ID, Inputs: inputs, Normalize: true, RequestId: requestID,
	})
	if err != nil {
		return nil, meter.Usage{}, err
	}
	if len(resp.GetEmbeddings()) != len(inputs) {
		return nil, meter.Usage{}, fault.New("upstream.Embed", fault.Internal, "the engine returned %d vectors for %d texts", len(resp.GetEmbeddings()), len(inputs))
	}
	vectors := make([][]float32, len(inputs))
	for n, v := range resp.GetEmbeddings() {
		for _, x := range v.GetValues() {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return nil, meter.Usage{}, fault.New("upstream.Embed", fault.Internal, "the engine returned a vector that is not finite")
			}
		}
		vectors[n] = v.GetValues()
	}
	return vectors, meter.FromOpenAI(resp.GetUsage().GetInputTokens(), 0, 0, 0, 0, 0), nil
}
