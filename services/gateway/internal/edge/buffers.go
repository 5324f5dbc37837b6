package edge

// buffers are an exchange's own memory. An exchange is used again, and so is what it holds; each has one purpose, so that no
// two steps of a request can meet in one.
type buffers struct {
	body   []byte // the request as it came
	render []byte // the request that a prompt made of it
	ask    []byte // the request to a provider
	answer []byte // an answer as it comes
	out    []byte // an answer on its way out
	piece  []byte // the text of one frame
	text   []byte // the answer's text, as far as a row keeps it
	head   []byte // header values being written
}

// keepBuffer bounds what an exchange holds on to between requests: a long prompt is not paid for by every later short one.
const keepBuffer = 1 << 20

func (b *buffers) clear() {
	for _, p := range [...]*[]byte{&b.body, &b.render, &b.ask, &b.answer, &b.out, &b.piece, &b.text, &b.head} {
		if cap(*p) > keepBuffer {
			*p = nil
		}
		*p = (*p)[:0]
	}
}
