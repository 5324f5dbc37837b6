package worker

import (
	"context"
	"math/rand/v2"

	"github.com/slipway-ai/slipway/pkg/fault"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/llamacpp"
)

// inference serves the model. The messages are the node's own; only the one model there is answers, whatever instance they
// name.
type inference struct {
	gpuruntimev1.UnimplementedInferenceServiceServer
	engine *engine
}

// Generate streams an answer.
func (s *inference) Generate(req *gpuruntimev1.GenerateRequest, out gpuruntimev1.InferenceService_GenerateServer) error {
	const op = "worker.Generate"
	if s.engine.gen == nil {
		return fault.New(op, fault.FailedPrecondition, "this model makes embeddings only; it cannot write")
	}
	ctx := out.Context()
	prompt, err := s.prompt(req)
	if err != nil {
		return err
	}
	answer, err := s.engine.gen.Submit(ctx, llamacpp.Request{Prompt: prompt, MaxTokens: int(req.GetMaxTokens()), Stop: req.GetStop(), Sampling: sampling(req.GetSampling())})
	if err != nil {
		return err
	}
	for {
		text, finish, err := answer.Next(ctx)
		switch {
		case err != nil:
			return err
		case finish != nil:
			return out.Send(&gpuruntimev1.GenerateResponse{Part: &gpuruntimev1.GenerateResponse_Finish{Finish: finishOf(finish)}})
		}
		if err := out.Send(&gpuruntimev1.GenerateResponse{Part: &gpuruntimev1.GenerateResponse_Delta{Delta: text}}); err != nil {
			return err
		}
	}
}

// prompt is the tokens of a request: messages through the model's template, or raw text as it is.
func (s *inference) prompt(req *gpuruntimev1.GenerateRequest) ([]llamacpp.Token, error) {
	const op = "worker.Generate"
	switch {
	case len(req.GetMessages()) > 0 && req.GetPrompt() != "":
		return nil, fault.New(op, fault.Invalid, "a request has messages or a prompt, not both")
	case len(req.GetMessages()) == 0 && req.GetPrompt() == "":
		return nil, fault.New(op, fault.Invalid, "a request needs messages or a prompt")
	case req.GetPrompt() != "":
		return s.engine.model.Tokenize(req.GetPrompt(), true, false)
	}
	messages := make([]llamacpp.Message, len(req.GetMessages()))
	for i, m := range req.GetMessages() {
		switch m.GetRole() {
		case "system", "user", "assistant":
		default:
			return nil, fault.New(op, fault.Invalid, "message %d has the role %q; there are system, user and assistant", i+1, m.GetRole())
		}
		messages[i] = llamacpp.Message{Role: m.GetRole(), Content: m.GetContent()}
	}
	return s.engine.model.Prompt(messages)
}

// sampling fills in what a request leaves open.
func sampling(s *gpuruntimev1.Sampling) llamacpp.Sampling {
	out := llamacpp.Sampling{Temperature: 1, TopP: 1, TopK: 40, Seed: rand.Uint32(), FrequencyPenalty: s.GetFrequencyPenalty(), PresencePenalty: s.GetPresencePenalty()}
	if s == nil {
		return out
	}
	if s.Temperature != nil {
		out.Temperature = s.GetTemperature()
	}
	if s.TopP != nil {
		out.TopP = s.GetTopP()
	}
	if s.TopK != nil {
		out.TopK = s.GetTopK()
	}
	if s.Seed != nil {
		seed := uint64(s.GetSeed())
		out.Seed = uint32(seed ^ seed>>32)
	}
	return out
}

func finishOf(f *llamacpp.Finish) *gpuruntimev1.Finish {
	reason := map[llamacpp.Reason]gpuruntimev1.FinishReason{
		llamacpp.ReasonStop:      gpuruntimev1.FinishReason_FINISH_REASON_STOP,
		llamacpp.ReasonLength:    gpuruntimev1.FinishReason_FINISH_REASON_LENGTH,
		llamacpp.ReasonCancelled: gpuruntimev1.FinishReason_FINISH_REASON_CANCELLED,
	}[f.Reason]
	return &gpuruntimev1.Finish{
		Reason: reason, Usage: &gpuruntimev1.Usage{InputTokens: int64(f.Input), OutputTokens: int64(f.Output)},
		QueueUs: f.Queue.Microseconds(), FirstTokenUs: f.FirstToken.Microseconds(),
	}
}

// Embed returns one vector per input.
func (s *inference) Embed(ctx context.Context, req *gpuruntimev1.EmbedRequest) (*gpuruntimev1.EmbedResponse, error) {
	const op = "worker.Embed"
	if s.engine.emb == nil {
		return nil, fault.New(op, fault.FailedPrecondition, "embeddings are turned off on this node")
	}
	inputs := make([][]llamacpp.Token, len(req.GetInputs()))
	usage := &gpuruntimev1.Usage{}
	for i, text := range req.GetInputs() {
		if text == "" {
			return nil, fault.New(op, fault.Invalid, "input %d is empty", i+1)
		}
		tokens, err := s.engine.model.Tokenize(text, true, false)
		if err != nil {
			return nil, err
		}
		inputs[i] = tokens
		usage.InputTokens += int64(len(tokens))
	}
	vectors, err := s.engine.emb.Embed(ctx, inputs, req.GetNormalize())
	if err != nil {
		return nil, err
	}
	resp := &gpuruntimev1.EmbedResponse{Usage: usage, Embeddings: make([]*gpuruntimev1.Embedding, len(vectors))}
	for i, v := range vectors {
		resp.Embeddings[i] = &gpuruntimev1.Embedding{Values: v}
	}
	return resp, nil
}
