package edge

import (
	"errors"
	"io"
	"net/http"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/dialect"
)

// passage is a provider's stream on its way to the caller.
type passage struct {
	*exchange
	events *dialect.Events
	held   []byte // frames that have not left; before the first content they stay, so that a failure can still be told by a status
	spoken bool   // there was content
}

func (p *passage) run() error {
	for {
		from := p.Clock.Now()
		err := p.events.Fill()
		p.waitedSince(from)
		done, frameErr := p.take(p.events.Next)
		if frameErr == nil && !done && err != nil {
			done, frameErr = p.last(err)
		}
		switch {
		case frameErr != nil:
			if p.wrote {
				p.push(p.held)
			}
			return frameErr
		case done:
			return p.finish()
		case p.spoken:
			p.flush()
		}
	}
}

// last handles a source that has ended, by err, without saying so.
func (p *passage) last(err error) (done bool, _ error) {
	if !errors.Is(err, io.EOF) {
		if errors.Is(err, dialect.ErrFrameTooLong) {
			return false, fault.Wrap("edge.passStream", fault.Unavailable, err, "the provider's stream cannot be read").WithReason("PROVIDER_ANSWER_INVALID")
		}
		return false, p.lost(err)
	}
	if done, err := p.take(p.events.Rest); done || err != nil {
		return done, err
	}
	if p.out.finish != "" { // some providers say why they ended and leave [DONE] out
		return true, nil
	}
	return false, p.lost(io.ErrUnexpectedEOF)
}

// take reads the frames that next has, up to the one that ends the stream.
func (p *passage) take(next func() (dialect.Frame, bool)) (done bool, err error) {
	for f, ok := next(); ok; f, ok = next() {
		if f.IsDone() {
			return true, nil
		}
		pass, err := p.read(f)
		if err != nil {
			return false, err
		}
		if pass {
			p.held = append(p.held, f.Raw...)
		}
		if len(f.Raw) > 0 && f.Raw[len(f.Raw)-1] != '\n' && f.Raw[len(f.Raw)-1] != '\r' {
			p.held = append(p.held, "\n\n"...) // a last frame that its source did not end
		}
	}
	return false, nil
}

// read learns from a frame and says whether it is the caller's.
func (p *passage) read(f dialect.Frame) (pass bool, err error) {
	if len(f.Data) == 0 {
		return true, nil // a comment, which keeps connections open
	}
	r, err := dialect.Read(f.Data, p.buf.piece[:0])
	p.buf.piece = r.Text
	if err != nil {
		return false, fault.Wrap("edge.passStream", fault.Unavailable, err, "the provider's stream holds an event that is not JSON").WithReason("PROVIDER_ANSWER_INVALID")
	}
	if r.Failed {
		kind := fault.Unavailable
		if r.Code == "rate_limit_exceeded" {
			kind = fault.ResourceExhausted
		}
		return false, r.Fault("edge.passStream", kind)
	}
	p.noteReading(&r)
	if r.Content {
		p.firstToken()
	}
	p.spoken = p.spoken || r.Content || r.Finish != ""
	keep(p.exchange, r.Text)
	// The usage that the gateway asked for and the caller did not is the gateway's.
	return p.wantUsage || !r.Counted || r.Choices > 0, nil
}

func (p *passage) flush() {
	if !p.wrote {
		p.open()
	}
	p.push(p.held)
	p.held = p.held[:0]
}

// finish releases the end of the stream when the row is safe.
func (p *passage) finish() error {
	if p.spoken {
		p.flush()
	}
	if err := p.settle(http.StatusOK, "", nil); err != nil {
		return err
	}
	if !p.wrote {
		p.open()
	}
	p.push(append(p.held, dialect.Done...))
	return nil
}
