package llamacpp

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/answer"
)

// GeneratorOptions shape a Generator.
type GeneratorOptions struct {
	Context  int // tokens per request, prompt and answer together
	Parallel int // requests decoded together
	Batch    int // tokens per step at most
	Chunk    int // prompt tokens per step while others write, so that a long prompt does not silence them
	Queue    int // requests that may wait for a slot
	Threads  int
}

// Generator decodes many answers at once. One goroutine, the loop, owns the context: every step it gives the engine one
// token of each answer that is being written plus pieces of the prompts that are being read, and hands out what was
// sampled. A request that arrives between two steps joins at the next, one that ends leaves its slot at once.
type Generator struct {
	model *Model
	opts  GeneratorOptions
	ctx   uintptr
	mem   uintptr
	rows  *rows

	mu       sync.Mutex
	waiting  []*job
	active   int // jobs with a slot
	closing  bool
	stats    Stats
	stepFrom time.Time // when the running step began; zero between steps

	wake    chan struct{}
	changed chan struct{}
	ended   chan struct{}
	slots   []*job // by sequence; nil is free. Owned by the loop.
	turn    int    // whose prompt is served first. Owned by the loop.
	mistake int    // failed steps in a row. Owned by the loop.
	broken  chan error
}

// Stats is what a Generator has done and does now.
type Stats struct {
	Slots, Busy, Queued int
	Steps               int64
	Input, Output       int64         // tokens since the start
	StepAge             time.Duration // how long the running step has been running, 0 between steps
}

// brokenAfter failed steps in a row the engine is beyond repair and its process should end.
const brokenAfter = 3

// NewGenerator makes the context and starts the loop.
func NewGenerator(m *Model, o GeneratorOptions) (*Generator, error) {
	const op = "llamacpp.NewGenerator"
	if !m.Decoder {
		return nil, fault.New(op, fault.FailedPrecondition, "this model makes embeddings only; it cannot write")
	}
	o.Batch, o.Chunk = max(o.Batch, o.Parallel), max(o.Chunk, 1) // a step has room for one token of each answer
	p := m.lib.ctxDefaults()
	p.ctx, p.seqMax = uint32(o.Context*o.Parallel), uint32(o.Parallel)
	p.batch, p.ubatch = uint32(o.Batch), uint32(o.Batch)
	p.outputsMax = uint32(o.Parallel) // one row of logits per answer and step, not one per prompt token
	p.threads, p.threadsBatch = int32(o.Threads), int32(o.Threads)
	p.noPerf = true
	ctx, err := m.newContext(op, p)
	if err != nil {
		return nil, err
	}
	g := &Generator{
		model: m, opts: o, ctx: ctx, mem: m.lib.memory(ctx), rows: m.lib.newRows(o.Batch), slots: make([]*job, o.Parallel),
		wake: make(chan struct{}, 1), changed: make(chan struct{}, 1), ended: make(chan struct{}), broken: make(chan error, 1),
	}
	if n := int(m.lib.ctxSeq(ctx)); n < o.Context {
		g.free()
		return nil, fault.New(op, fault.Internal, "the engine gives %d tokens of context per request where %d were asked for", n, o.Context)
	}
	go g.loop()
	return g, nil
}

// Submit queues a request. The prompt must leave room for at least one token. When ctx ends the answer ends, its slot is
// free after the running step, and the stream finishes with ReasonCancelled.
func (g *Generator) Submit(ctx context.Context, r Request) (*Stream, error) {
	const op = "llamacpp.Submit"
	switch n := len(r.Prompt); {
	case n == 0:
		return nil, fault.New(op, fault.Invalid, "the prompt is empty")
	case n >= g.opts.Context:
		return nil, fault.New(op, fault.Invalid, "the prompt has %d tokens; this model instance has a context of %d tokens for prompt and answer together", n, g.opts.Context).
			WithReason("CONTEXT_LENGTH_EXCEEDED")
	}
	j := &job{req: r, ctx: ctx, stream: newStream(), writer: answer.New(r.Stop), born: time.Now(), row: -1, seq: -1, limit: g.opts.Context - len(r.Prompt)}
	if r.MaxTokens > 0 {
		j.limit = min(j.limit, r.MaxTokens)
	}
	if err := g.enqueue(j); err != nil {
		return nil, err
	}
	g.signal()
	return j.stream, nil
}

func (g *Generator) enqueue(j *job) error {
	const op = "llamacpp.Submit"
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return fault.New(op, fault.Unavailable, "the engine is stopping")
	}
	if g.active+len(g.waiting) >= g.opts.Parallel+g.opts.Queue {
		return fault.New(op, fault.ResourceExhausted, "%d requests are running and %d are waiting: the queue is full", g.active, len(g.waiting)).
			WithReason("ENGINE_QUEUE_FULL").WithRetryAfter(time.Second)
	}
	g.waiting = append(g.waiting, j)
	j.unhook = context.AfterFunc(j.ctx, func() { g.abandon(j) }) // runs on a goroutine of its own, which waits for g.mu
	return nil
}

// abandon takes a request whose caller went away out of the queue; one that has a slot is ended by the loop.
func (g *Generator) abandon(j *job) {
	g.mu.Lock()
	i := slices.Index(g.waiting, j)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	g.mu.Unlock()
	if i >= 0 {
		j.stream.end(j.account(ReasonCancelled, time.Now()), nil)
	}
	g.signal()
}

// signal wakes the loop after the queue changed.
func (g *Generator) signal() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
	g.tell()
}

func (g *Generator) tell() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// Changed fires after slots were taken or left or the queue grew or shrank; several changes may be one.
func (g *Generator) Changed() <-chan struct{} { return g.changed }

// Stats is a snapshot.
func (g *Generator) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.stats
	s.Slots, s.Busy, s.Queued = g.opts.Parallel, g.active, len(g.waiting)
	if !g.stepFrom.IsZero() {
		s.StepAge = time.Since(g.stepFrom)
	}
	return s
}

// Broken reports the error after which the engine must be started anew.
func (g *Generator) Broken() <-chan error { return g.broken }

// Close ends every request as Unavailable, stops the loop and frees the context.
func (g *Generator) Close() {
	g.mu.Lock()
	g.closing = true
	g.mu.Unlock()
	g.signal()
	<-g.ended
}

func (g *Generator) free() {
	g.rows.free()
	g.model.lib.freeCtx(g.ctx)
}

// loop runs until Close. It is locked to its thread: the engine's compute threads are children of the thread that calls.
func (g *Generator) loop() {
	runtime.LockOSThread()
	defer close(g.ended)
	defer g.free()
	for {
		if g.admit() {
			g.endAll(fault.New("llamacpp.Generate", fault.Unavailable, "the engine is stopping"))
			return
		}
		g.dropCancelled()
		if !g.fill() {
			<-g.wake
			continue
		}
		g.step()
	}
}

// admit gives free slots to waiting requests, first come first served, and reports whether the loop should end.
func (g *Generator) admit() (stop bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return true
	}
	for seq := range g.slots {
		if len(g.waiting) == 0 {
			break
		}
		if g.slots[seq] != nil {
			continue
		}
		j := g.waiting[0]
		g.waiting = slices.Delete(g.waiting, 0, 1)
		j.seq, j.started = int32(seq), time.Now()
		j.chain = g.model.newChain(j.req.Sampling)
		g.slots[seq] = j
		g.active++
		g.tell()
		g.stats.Input += int64(len(j.req.Prompt))
	}
	return false
}

func (g *Generator) dropCancelled() {
	for _, j := range g.slots {
		if j != nil && j.ctx.Err() != nil {
			g.end(j, ReasonCancelled, nil)
		}
	}
}
