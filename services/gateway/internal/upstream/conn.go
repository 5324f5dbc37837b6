package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// conn is one connection to a provider. It carries one exchange at a time.
type conn struct {
	target *target
	raw    net.Conn
	in     *bufio.Reader
	out    []byte
	used   bool      // it has carried an exchange before
	since  time.Time // when it was put aside
	heard  bool      // bytes of the present answer have come
	budget int       // bytes that may be read of the answer's head; negative is no bound
}

const (
	maxHead     = 256 << 10 // of an answer
	joinBody    = 16 << 10  // up to here head and body are copied together and written at once
	maxInterim  = 5         // 1xx answers before the true one
	readBuffer  = 8 << 10
	keepOutSize = 32 << 10
)

func newConn(t *target, raw net.Conn) *conn {
	c := &conn{target: t, raw: raw}
	c.in = bufio.NewReaderSize(reader{c}, readBuffer)
	return c
}

// reader is the connection as the parser sees it: with a bound on how long an answer's head may be.
type reader struct{ c *conn }

var errHead = errors.New("the answer's head is too long")

func (r reader) Read(p []byte) (int, error) {
	if r.c.budget == 0 {
		return 0, errHead
	}
	if r.c.budget > 0 && len(p) > r.c.budget {
		p = p[:r.c.budget]
	}
	n, err := r.c.raw.Read(p)
	if n > 0 {
		r.c.heard = true
		if r.c.budget > 0 {
			r.c.budget -= n
		}
	}
	return n, err
}

func (c *conn) close() { _ = c.raw.Close() }

// post is what the parser wants to know about the request.
var post = &http.Request{Method: http.MethodPost}

// exchange sends a call and reads the answer's head. On an error the connection is of no more use.
func (c *conn) exchange(ctx context.Context, call *Call) (*Answer, error) {
	head, err := c.target.head(c.out[:0], call)
	if err != nil {
		return nil, err
	}
	c.heard, c.budget = false, maxHead
	if err := c.raw.SetDeadline(call.Deadline); err != nil {
		return nil, err
	}
	// When ctx ends, whoever waits on the connection is woken with an error.
	stop := context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(time.Unix(1, 0)) })
	sent := c.send(head, call.Body)
	// A provider may have answered without reading to the end, and hung up. The answer says more than the error.
	resp, err := c.receive() //nolint:bodyclose // the caller closes it, through Answer
	if err != nil {
		stop()
		if sent != nil {
			err = sent
		}
		return nil, err
	}
	return c.answer(resp, stop, sent != nil), nil
}

func (c *conn) send(head, body []byte) (err error) {
	if len(body) <= joinBody {
		head = append(head, body...)
		_, err = c.raw.Write(head)
	} else {
		parts := net.Buffers{head, body}
		_, err = parts.WriteTo(c.raw)
	}
	if cap(head) <= keepOutSize {
		c.out = head
	}
	return err
}

func (c *conn) receive() (*http.Response, error) {
	for range maxInterim {
		resp, err := http.ReadResponse(c.in, post)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= http.StatusOK {
			c.budget = -1
			return resp, nil
		}
	}
	return nil, errors.New("too many interim answers")
}

func (c *conn) answer(resp *http.Response, stop func() bool, broken bool) *Answer {
	// Not part of the connection: at the body's end that may already be somebody else's, while the answer is still read.
	got := &struct {
		Answer
		body
	}{body: body{conn: c, resp: resp, stop: stop, lost: broken || resp.Close}}
	got.Answer = Answer{Status: resp.StatusCode, Header: resp.Header, ContentLength: resp.ContentLength, Body: &got.body}
	return &got.Answer
}

// body gives the connection back when it has been read to its end, and closes it when it has not.
type body struct {
	conn *conn
	resp *http.Response
	stop func() bool
	lost bool // the connection cannot be kept
	done bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	n, err := b.resp.Body.Read(p)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			b.lost = true
		}
		b.finish(errors.Is(err, io.EOF))
	}
	return n, err
}

// Close may be called before the end: the provider then sees the connection close, which is how it learns that nobody listens.
func (b *body) Close() error {
	b.finish(false)
	return nil
}

func (b *body) finish(whole bool) {
	if b.done {
		return
	}
	b.done = true
	// If the wake-up has run, the connection's deadline is spoiled.
	if unspoiled := b.stop(); whole && unspoiled && !b.lost && b.conn.in.Buffered() == 0 {
		b.conn.target.put(b.conn)
		return
	}
	b.conn.close()
}
