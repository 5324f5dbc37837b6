package dialect

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
)

// Answer is what a local engine said, with what OpenAI's clients want to know about it.
type Answer struct {
	ID      string // of the completion: chatcmpl-…
	Created int64  // seconds since 1970
	Model   string // as the client named it
	Text    string
	Finish  Finish
	Usage   meter.Usage
}

// AppendCompletion appends a chat.completion object.
func AppendCompletion(dst []byte, a Answer) []byte {
	dst = appendHead(dst, "chat.completion", a)
	dst = append(dst, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	dst = AppendString(dst, a.Text)
	dst = append(dst, `,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":`...)
	dst = AppendString(dst, string(a.Finish))
	dst = append(dst, `}],"usage":`...)
	return append(appendUsage(dst, a.Usage), '}')
}

func appendHead(dst []byte, object string, a Answer) []byte {
	dst = AppendString(append(dst, `{"id":`...), a.ID)
	dst = append(append(append(dst, `,"object":"`...), object...), `","created":`...)
	dst = strconv.AppendInt(dst, a.Created, 10)
	dst = AppendString(append(dst, `,"model":`...), a.Model)
	return append(dst, `,"system_fingerprint":null`...)
}

func appendUsage(dst []byte, u meter.Usage) []byte {
	dst = strconv.AppendInt(append(dst, `{"prompt_tokens":`...), u.Input(), 10)
	dst = strconv.AppendInt(append(dst, `,"completion_tokens":`...), u.Output(), 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), u.Input()+u.Output(), 10)
	return append(dst, '}')
}

// Chunks writes the frames of one streamed answer. What does not change from frame to frame is written once.
type Chunks struct {
	head  []byte
	usage bool
}

// NewChunks prepares the frames; usage is whether the client asked for it.
func NewChunks(a Answer, usage bool) *Chunks {
	head := appendHead(append(make([]byte, 0, 256), "data: "...), "chat.completion.chunk", a)
	return &Chunks{head: append(head, `,"choices":[`...), usage: usage}
}

func (c *Chunks) tail(dst []byte) []byte {
	if c.usage {
		return append(dst, `],"usage":null}`+"\n\n"...)
	}
	return append(dst, "]}\n\n"...)
}

// AppendRole appends the first frame, which says who speaks.
func (c *Chunks) AppendRole(dst []byte) []byte {
	dst = append(append(dst, c.head...), `{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}`...)
	return c.tail(dst)
}

// AppendDelta appends a frame with text.
func (c *Chunks) AppendDelta(dst []byte, text string) []byte {
	dst = append(append(dst, c.head...), `{"index":0,"delta":{"content":`...)
	dst = AppendString(dst, text)
	return c.tail(append(dst, `},"logprobs":null,"finish_reason":null}`...))
}

// AppendFinish appends the frame that says why the answer ended, and the frame with the usage when it was asked for.
func (c *Chunks) AppendFinish(dst []byte, finish Finish, u meter.Usage) []byte {
	dst = append(append(dst, c.head...), `{"index":0,"delta":{},"logprobs":null,"finish_reason":`...)
	dst = c.tail(append(AppendString(dst, string(finish)), '}'))
	if c.usage {
		dst = append(append(dst, c.head...), `],"usage":`...)
		dst = append(appendUsage(dst, u), "}\n\n"...)
	}
	return dst
}

// Done ends an event stream.
const Done = "data: [DONE]\n\n"

// AppendEmbeddings appends an embeddings list. base64 writes vectors as little-endian float32, which OpenAI's own clients ask
// for by default.
func AppendEmbeddings(dst []byte, model string, vectors [][]float32, base64 bool, u meter.Usage) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i, v := range vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"object":"embedding","index":`...), int64(i), 10)
		dst = append(dst, `,"embedding":`...)
		if base64 {
			dst = appendBase64(dst, v)
		} else {
			dst = appendFloats(dst, v)
		}
		dst = append(dst, '}')
	}
	dst = AppendString(append(dst, `],"model":`...), model)
	dst = strconv.AppendInt(append(dst, `,"usage":{"prompt_tokens":`...), u.Input(), 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), u.Input(), 10)
	return append(dst, "}}"...)
}

func appendFloats(dst []byte, v []float32) []byte {
	dst = append(dst, '[')
	for i, x := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, float64(x), 'g', -1, 32)
	}
	return append(dst, ']')
}

func appendBase64(dst []byte, v []float32) []byte {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '"')
}
