package llamacpp

import (
	"context"
	"math"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// EmbedderOptions shape an Embedder.
type EmbedderOptions struct {
	Tokens    int // of all inputs of one pass together, and so of the longest input
	Sequences int // inputs in one pass
	Queue     int // inputs that may wait
	Threads   int
}

// Embedder turns texts into vectors in a context of its own, so that a long document does not take part in the decoding of
// answers. Inputs of several requests share a pass; requests take turns, so that one of two thousand inputs does not keep
// one of a single input waiting for all of them.
type Embedder struct {
	model *Model
	opts  EmbedderOptions
	ctx   uintptr
	mem   uintptr // 0 for encoders, which keep nothing
	rows  *rows

	mu      sync.Mutex
	turns   []*embedJob // requests with inputs left, next first
	queued  int         // inputs not yet in a pass
	closing bool
	input   int64
	from    time.Time
	wake    chan struct{}
	ended   chan struct{}
}

type embedJob struct {
	ctx    context.Context
	inputs [][]Token
	next   int
	out    [][]float32
	left   int
	err    error
	done   chan struct{}
}

// NewEmbedder makes the context and starts the loop. Vectors are pooled as the model says, by the mean when it does not.
func NewEmbedder(m *Model, o EmbedderOptions) (*Embedder, error) {
	const op = "llamacpp.NewEmbedder"
	p := m.lib.ctxDefaults()
	p.ctx, p.batch, p.ubatch, p.seqMax = uint32(o.Tokens), uint32(o.Tokens), uint32(o.Tokens), uint32(o.Sequences)
	p.threads, p.threadsBatch = int32(o.Threads), int32(o.Threads)
	p.embeddings, p.kvUnified, p.noPerf = true, true, true
	switch p.pooling = m.pooling; p.pooling {
	case poolingUnspecified, poolingNone:
		p.pooling = poolingMean
	case poolingRank:
		return nil, fault.New(op, fault.FailedPrecondition, "this model ranks pairs of texts; it makes no embeddings")
	}
	ctx, err := m.newContext(op, p)
	if err != nil {
		return nil, err
	}
	e := &Embedder{model: m, opts: o, ctx: ctx, mem: m.lib.memory(ctx), rows: m.lib.newRows(o.Tokens), wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go e.loop()
	return e, nil
}

// Embed returns one vector of Model.Embedding numbers per input, in order, scaled to length 1 when normalize is set.
func (e *Embedder) Embed(ctx context.Context, inputs [][]Token, normalize bool) ([][]float32, error) {
	const op = "llamacpp.Embed"
	for i, in := range inputs {
		if len(in) == 0 {
			return nil, fault.New(op, fault.Invalid, "input %d is empty", i+1)
		}
		if len(in) > e.opts.Tokens {
			return nil, fault.New(op, fault.Invalid, "input %d has %d tokens; this model instance embeds at most %d", i+1, len(in), e.opts.Tokens).
				WithReason("CONTEXT_LENGTH_EXCEEDED")
		}
	}
	if len(inputs) == 0 {
		return nil, nil
	}
	j := &embedJob{ctx: ctx, inputs: inputs, out: make([][]float32, len(inputs)), left: len(inputs), done: make(chan struct{})}
	if err := e.enqueue(j); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, e.signal)()
	<-j.done // the loop answers every job, a cancelled one too, after the running pass at the latest
	if j.err != nil {
		return nil, j.err
	}
	if normalize {
		for _, v := range j.out {
			scale(v)
		}
	}
	return j.out, nil
}

func (e *Embedder) enqueue(j *embedJob) error {
	const op = "llamacpp.Embed"
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return fault.New(op, fault.Unavailable, "the engine is stopping")
	}
	if e.queued > 0 && e.queued+len(j.inputs) > e.opts.Queue {
		return fault.New(op, fault.ResourceExhausted, "%d inputs are waiting to be embedded: the queue is full", e.queued).
			WithReason("ENGINE_QUEUE_FULL").WithRetryAfter(time.Second)
	}
	e.turns = append(e.turns, j)
	e.queued += len(j.inputs)
	e.signal()
	return nil
}

func (e *Embedder) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Queued is how many inputs wait, tokens what was embedded since the start, age how long the running pass has been running.
func (e *Embedder) Queued() (queued int, tokens int64, age time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.from.IsZero() {
		age = time.Since(e.from)
	}
	return e.queued, e.input, age
}

// Close ends every request as Unavailable, stops the loop and frees the context.
func (e *Embedder) Close() {
	e.mu.Lock()
	e.closing = true
	e.mu.Unlock()
	e.signal()
	<-e.ended
}

// place is where an input of a pass came from.
type place struct {
	job   *embedJob
	index int
}

func (e *Embedder) loop() {
	runtime.LockOSThread()
	defer close(e.ended)
	defer func() {
		e.rows.free()
		e.model.lib.freeCtx(e.ctx)
	}()
	for {
		pass, stop := e.gather()
		if stop {
			return
		}
		if len(pass) == 0 {
			<-e.wake
			continue
		}
		e.compute(pass)
	}
}

// gather fills a pass, one input of each request in turn, and drops requests whose callers went away.
func (e *Embedder) gather() (pass []place, stop bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rows.clear()
	for len(e.turns) > 0 && len(pass) < e.opts.Sequences {
		j := e.turns[0]
		err := j.err
		if err == nil {
			err = j.ctx.Err()
		}
		if e.closing {
			err = fault.New("llamacpp.Embed", fault.Unavailable, "the engine is stopping")
		}
		if err != nil {
			e.turns = e.turns[1:]
			e.queued -= len(j.inputs) - j.next
			e.settle(j, len(j.inputs)-j.next, err)
			continue
		}
		in := j.inputs[j.next]
		if len(in) > e.rows.space() {
			break
		}
		for pos, t := range in {
			e.rows.add(t, pos, int32(len(pass)), true)
		}
		pass = append(pass, place{j, j.next})
		e.queued--
		e.turns = e.turns[1:]
		if j.next++; j.next < len(j.inputs) {
			e.turns = append(e.turns, j)
		}
	}
	return pass, e.closing && len(e.turns) == 0
}

// settle takes n inputs of a request as answered, with an error or without, and wakes its caller after the last.
func (e *Embedder) settle(j *embedJob, n int, err error) {
	if err != nil && j.err == nil {
		j.err = err
	}
	if j.left -= n; j.left == 0 {
		close(j.done)
	}
}

func (e *Embedder) compute(pass []place) {
	lib := e.model.lib
	e.mark(time.Now())
	run := lib.decode
	if e.mem == 0 {
		run = lib.encode
	}
	code := run(e.ctx, e.rows.b)
	for seq, p := range pass {
		if code == 0 {
			p.job.out[p.index] = append([]float32(nil), unsafe.Slice(lib.embSeq(e.ctx, int32(seq)), e.model.Embedding)...)
		}
	}
	if e.mem != 0 {
		lib.clearMem(e.mem, false)
	}
	e.mark(time.Time{})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.input += int64(e.rows.len())
	for _, p := range pass {
		var err error
		if code != 0 {
			err = fault.New("llamacpp.Embed", fault.Unavailable, "the engine could not compute an embedding (code %d)", code).WithReason("ENGINE_STEP_FAILED")
		}
		e.settle(p.job, 1, err)
	}
}

func (e *Embedder) mark(from time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.from = from
}

// scale makes a vector's length 1; a zero vector stays.
func scale(v []float32) {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return
	}
	k := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= k
	}
}
