package edge

import (
	"context"
	"net/http"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/dialect"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
	"github.com/slipway-ai/slipway/services/gateway/internal/upstream"
)

// chat has a local engine answer.
func (x *exchange) chat(req *dialect.Request) error {
	c, err := req.Chat()
	if err != nil {
		return err
	}
	if x.stream {
		return x.try(func(ctx context.Context, i *route.Instance) error { return x.streamChat(ctx, i, c) })
	}
	var end *upstream.End
	// Until the whole answer is there its caller has seen nothing, so an engine's death at any point can be made good.
	err = x.try(func(ctx context.Context, i *route.Instance) error {
		end, err = x.collect(ctx, i, c)
		return err
	})
	if err != nil {
		return err
	}
	keep(x, x.buf.answer)
	x.ended(end)
	a := x.answerHead()
	a.Text, a.Finish, a.Usage = string(x.buf.answer), end.Finish, end.Usage
	body := dialect.AppendCompletion(x.buf.out, a)
	x.buf.out = body
	if err := x.settle(http.StatusOK, "", body); err != nil {
		return err
	}
	x.write(http.StatusOK, body)
	return nil
}

// collect reads an answer to its end, into the answer buffer.
func (x *exchange) collect(ctx context.Context, i *route.Instance, c dialect.Chat) (*upstream.End, error) {
	defer x.waitedSince(x.Clock.Now())
	x.buf.answer = x.buf.answer[:0]
	g, err := x.Engines.Generate(ctx, i, x.id, c)
	if err != nil {
		return nil, err
	}
	for {
		piece, end, err := g.Next()
		if err != nil || end != nil {
			return end, err
		}
		if piece != "" {
			x.firstToken()
		}
		if x.buf.answer = append(x.buf.answer, piece...); len(x.buf.answer) > x.Settings.MaxAnswer {
			return nil, fault.New("edge.collect", fault.TooLarge, "the answer is larger than %d bytes", x.Settings.MaxAnswer).WithReason("ANSWER_TOO_LARGE")
		}
	}
}

// streamChat passes an answer on as it comes.
func (x *exchange) streamChat(ctx context.Context, i *route.Instance, c dialect.Chat) error {
	g, err := x.Engines.Generate(ctx, i, x.id, c)
	if err != nil {
		return err
	}
	chunks := dialect.NewChunks(x.answerHead(), x.wantUsage)
	for {
		from := x.Clock.Now()
		text, end, err := g.Next()
		x.waitedSince(from)
		if err != nil {
			return err
		}
		out := x.buf.out[:0]
		if !x.wrote && (text != "" || end != nil) {
			x.open()
			out = chunks.AppendRole(out)
		}
		if text != "" {
			x.firstToken()
			keep(x, text)
			x.out.pieces++
			out = chunks.AppendDelta(out, text)
		}
		x.buf.out = out
		if end == nil {
			x.push(out)
			continue
		}
		x.ended(end)
		if err := x.settle(http.StatusOK, "", nil); err != nil {
			return err
		}
		x.push(append(chunks.AppendFinish(out, end.Finish, end.Usage), dialect.Done...))
		return nil
	}
}

func (x *exchange) ended(end *upstream.End) {
	x.out.usage, x.out.counted, x.out.finish, x.out.queueUS = end.Usage, true, string(end.Finish), end.QueueUS
}

func (x *exchange) answerHead() dialect.Answer {
	return dialect.Answer{ID: "chatcmpl-" + x.id, Created: x.start.Unix(), Model: x.model}
}
