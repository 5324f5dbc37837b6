package llamacpp

import (
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// fill builds the next batch: first one token of every answer being written, since those have a reader waiting, then the
// prompts share what is left in equal pieces, beginning with another request each step. It reports whether there is
// anything to do.
func (g *Generator) fill() bool {
	g.rows.clear()
	reading := 0
	for _, j := range g.slots {
		if j == nil {
			continue
		}
		j.row = -1
		if j.prefilling() {
			reading++
			continue
		}
		j.row = g.rows.add(j.next, j.pos, j.seq, true)
		j.pos++
	}
	room := g.rows.space()
	if g.rows.len() > 0 {
		room = min(room, g.opts.Chunk)
	}
	n := len(g.slots)
	for i := 0; i < n && reading > 0 && room > 0; i++ {
		j := g.slots[(g.turn+i)%n]
		if j == nil || !j.prefilling() {
			continue
		}
		share := (room + reading - 1) / reading
		room -= g.read(j, min(share, room))
		reading--
	}
	g.turn = (g.turn + 1) % n
	return g.rows.len() > 0
}

// read puts up to n tokens of a prompt into the batch; the prompt's last token asks for the answer's first.
func (g *Generator) read(j *job, n int) int {
	n = min(n, len(j.req.Prompt)-j.fed)
	for range n {
		last := j.fed == len(j.req.Prompt)-1
		row := g.rows.add(j.req.Prompt[j.fed], j.pos, j.seq, last)
		if last {
			j.row = row
		}
		j.fed++
		j.pos++
	}
	return n
}

// step decodes the batch and hands out one token to each request that has an output row.
func (g *Generator) step() {
	g.mark(time.Now())
	code := g.model.lib.decode(g.ctx, g.rows.b)
	g.mark(time.Time{})
	if code != 0 {
		g.failed(code)
		return
	}
	g.mistake = 0
	for _, j := range g.slots {
		if j != nil && j.row >= 0 {
			g.take(j)
		}
	}
}

func (g *Generator) mark(from time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stepFrom = from
	if from.IsZero() {
		g.stats.Steps++
	}
}

// take samples a request's next token and decides whether the answer goes on.
func (g *Generator) take(j *job) {
	t := g.model.lib.sample(j.chain, g.ctx, j.row)
	if g.model.Ends(t) {
		g.end(j, ReasonStop, nil)
		return
	}
	if j.first.IsZero() {
		j.first = time.Now()
	}
	j.wrote++
	g.mu.Lock()
	g.stats.Output++
	g.mu.Unlock()
	j.piece = g.model.Piece(j.piece[:0], t)
	text, stopped := j.writer.Push(j.piece)
	j.stream.push(text)
	switch {
	case stopped:
		g.end(j, ReasonStop, nil)
	case j.wrote >= j.limit:
		g.end(j, ReasonLength, nil)
	default:
		j.next = t
	}
}

// end frees a request's slot, then tells its reader: who sees the end may rely on the slot being free.
func (g *Generator) end(j *job, reason Reason, err error) {
	lib := g.model.lib
	lib.seqRemove(g.mem, j.seq, -1, -1)
	lib.freeChain(j.chain)
	g.slots[j.seq] = nil
	g.mu.Lock()
	g.active--
	g.mu.Unlock()
	g.tell()
	j.unhook()
	if err != nil {
		j.stream.end(nil, err)
		return
	}
	j.stream.push(j.writer.Close())
	j.stream.end(j.account(reason, time.Now()), nil)
}

// endAll ends running and waiting requests with an error.
func (g *Generator) endAll(err error) {
	for _, j := range g.slots {
		if j != nil {
			g.end(j, "", err)
		}
	}
	g.mu.Lock()
	waiting := g.waiting
	g.waiting = nil
	g.mu.Unlock()
	for _, j := range waiting {
		j.unhook()
		j.stream.end(nil, err)
	}
}

// failed ends the requests of a step the engine could not compute and forgets their tokens. They may be tried again; when
// steps keep failing, the process is of no use and says so.
func (g *Generator) failed(code int32) {
	err := fault.New("llamacpp.Decode", fault.Unavailable, "the engine could not compute a step (code %d)", code).WithReason("ENGINE_STEP_FAILED")
	for _, j := range g.slots {
		if j != nil {
			g.end(j, "", err)
		}
	}
	g.model.lib.clearMem(g.mem, true)
	if g.mistake++; g.mistake == brokenAfter {
		g.broken <- err
	}
}
