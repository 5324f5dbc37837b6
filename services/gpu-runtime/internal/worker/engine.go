package worker

import (
	"context"
	"log/slog"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/llamacpp"
)

// engine is one loaded model with whatever it can do.
type engine struct {
	lib   *llamacpp.Library
	model *llamacpp.Model
	gen   *llamacpp.Generator // nil for models that only embed
	emb   *llamacpp.Embedder  // nil without embeddings
}

// embedSequences is how many inputs share an embedding pass, and embedQueue how many may wait: two of the largest requests.
const (
	embedSequences = 32
	embedQueue     = 4096
)

// load opens the engine pack and the model. On an error nothing stays open but the libraries, which never close.
func load(c Config, log *slog.Logger) (_ *engine, err error) {
	e := &engine{}
	if e.lib, err = llamacpp.Open(c.Pack, engineLog(log)); err != nil {
		return nil, err
	}
	if e.model, err = e.lib.LoadModel(c.Model, c.GPULayers); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if c.Generate {
		o := llamacpp.GeneratorOptions{Context: c.Context, Parallel: c.Parallel, Batch: c.Batch, Chunk: c.Chunk, Queue: c.Queue, Threads: c.Threads}
		if e.gen, err = llamacpp.NewGenerator(e.model, o); err != nil {
			return nil, err
		}
	}
	if c.Embedding > 0 {
		o := llamacpp.EmbedderOptions{Tokens: c.Embedding, Sequences: min(embedSequences, c.Embedding), Queue: embedQueue, Threads: c.Threads}
		if e.emb, err = llamacpp.NewEmbedder(e.model, o); err != nil {
			return nil, err
		}
	}
	if e.gen == nil && e.emb == nil {
		return nil, fault.New("worker.load", fault.FailedPrecondition, "this model can neither write nor embed")
	}
	return e, nil
}

// close ends the loops, then the model. Closing twice is closing once.
func (e *engine) close() {
	if e.gen != nil {
		e.gen.Close()
	}
	if e.emb != nil {
		e.emb.Close()
	}
}

func (e *engine) ready() *Ready {
	return &Ready{Engine: e.lib.Version, Embedding: e.model.Embedding, ContextTrain: e.model.ContextTrain, ChatFallback: e.model.ChatFallback && e.gen != nil}
}

func (e *engine) load() *Load {
	var l Load
	if e.gen != nil {
		s := e.gen.Stats()
		l = Load{Slots: s.Slots, Busy: s.Busy, Queued: s.Queued, Steps: s.Steps, Input: s.Input, Output: s.Output, StepAge: s.StepAge}
	}
	if e.emb != nil {
		queued, tokens, age := e.emb.Queued()
		l.Queued += queued
		l.Embedded = tokens
		l.StepAge = max(l.StepAge, age)
	}
	return &l
}

func (e *engine) changed() <-chan struct{} {
	if e.gen == nil {
		return nil
	}
	return e.gen.Changed()
}

func (e *engine) broken() <-chan error {
	if e.gen == nil {
		return nil
	}
	return e.gen.Broken()
}

// engineLog writes the engine's own lines. It is talkative: what it calls information is for debugging.
func engineLog(log *slog.Logger) func(llamacpp.Level, string) {
	return func(level llamacpp.Level, line string) {
		to := slog.LevelDebug
		switch level {
		case llamacpp.LevelWarn:
			to = slog.LevelInfo
		case llamacpp.LevelError:
			to = slog.LevelWarn
		}
		log.Log(context.Background(), to, "engine says", slog.String("line", line))
	}
}
