package llamacpp

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/answer"
)

// Request asks for an answer.
type Request struct {
	Prompt    []Token
	MaxTokens int // new tokens at most; 0 takes what the context leaves
	Stop      []string
	Sampling  Sampling
}

// Reason says why an answer ended.
type Reason string

// The reasons.
const (
	ReasonStop      Reason = "stop"      // the model ended its turn, or a stop string came
	ReasonLength    Reason = "length"    // MaxTokens or the context was full
	ReasonCancelled Reason = "cancelled" // the caller went away
)

// Finish is the account of one answer.
type Finish struct {
	Reason     Reason
	Input      int           // prompt tokens
	Output     int           // tokens written, the one that ends the turn not counted
	Queue      time.Duration // from Submit to a slot
	FirstToken time.Duration // from Submit to the first token; 0 when there was none
	Total      time.Duration
}

// Stream is an answer on its way. The engine never waits for its reader: text that is not fetched is put together and
// comes with the next call, so a slow reader costs memory bounded by the context and nobody else's time.
type Stream struct {
	mu     sync.Mutex
	text   strings.Builder
	finish *Finish
	err    error
	wake   chan struct{}
}

func newStream() *Stream { return &Stream{wake: make(chan struct{}, 1)} }

func (s *Stream) push(text string) {
	if text == "" {
		return
	}
	s.mu.Lock()
	s.text.WriteString(text)
	s.mu.Unlock()
	s.signal()
}

func (s *Stream) end(f *Finish, err error) {
	s.mu.Lock()
	if s.finish == nil && s.err == nil {
		s.finish, s.err = f, err
	}
	s.mu.Unlock()
	s.signal()
}

func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next waits for text or the end. It returns text with a nil Finish, then exactly one Finish or error. After the request's
// context ends it still returns the Finish, so that the account is complete; ctx here only bounds the waiting.
func (s *Stream) Next(ctx context.Context) (string, *Finish, error) {
	for {
		s.mu.Lock()
		text, finish, err := s.text.String(), s.finish, s.err
		s.text.Reset()
		s.mu.Unlock()
		if text != "" {
			return text, nil, nil
		}
		if finish != nil || err != nil {
			return "", finish, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return "", nil, ctx.Err()
		}
	}
}

// job is a request in the engine, owned by the loop once it has a slot.
type job struct {
	req    Request
	ctx    context.Context
	stream *Stream
	writer *answer.Writer
	born   time.Time
	unhook func() bool // detaches from ctx

	limit   int // new tokens at most, never 0
	seq     int32
	chain   uintptr
	fed     int   // prompt tokens given to the engine
	pos     int   // next position in the sequence
	next    Token // the token to feed after the prompt
	row     int32 // its output row in the current batch, -1 without
	wrote   int
	started time.Time // got a slot
	first   time.Time // first token
	piece   []byte
}

func (j *job) prefilling() bool { return j.fed < len(j.req.Prompt) }

func (j *job) account(reason Reason, now time.Time) *Finish {
	f := &Finish{Reason: reason, Input: len(j.req.Prompt), Output: j.wrote, Queue: now.Sub(j.born), Total: now.Sub(j.born)}
	if !j.started.IsZero() {
		f.Queue = j.started.Sub(j.born)
	}
	if !j.first.IsZero() {
		f.FirstToken = j.first.Sub(j.born)
	}
	return f
}
