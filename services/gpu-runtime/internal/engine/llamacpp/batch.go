package llamacpp

import "unsafe"

// rows is a batch that is filled, decoded and cleared again and again.
type rows struct {
	lib   *Library
	b     batch
	room  int
	token []Token
	pos   []int32
	seqN  []int32
	seq   []*int32
	out   []int8
}

func (l *Library) newRows(room int) *rows {
	b := l.batchInit(int32(room), 0, 1)
	b.tokens = 0
	return &rows{
		lib: l, b: b, room: room,
		token: unsafe.Slice(b.token, room), pos: unsafe.Slice(b.pos, room), seqN: unsafe.Slice(b.seqLen, room),
		seq: unsafe.Slice(b.seqID, room), out: unsafe.Slice(b.logits, room),
	}
}

func (r *rows) free()      { r.lib.batchFree(r.b) }
func (r *rows) clear()     { r.b.tokens = 0 }
func (r *rows) len() int   { return int(r.b.tokens) }
func (r *rows) space() int { return r.room - int(r.b.tokens) }

// add puts one token of a sequence into the batch and returns its row. want asks for its output.
func (r *rows) add(t Token, pos int, seq int32, want bool) int32 {
	i := r.b.tokens
	r.token[i], r.pos[i], r.seqN[i], r.out[i] = t, int32(pos), 1, 0
	*r.seq[i] = seq
	if want {
		r.out[i] = 1
	}
	r.b.tokens++
	return i
}
