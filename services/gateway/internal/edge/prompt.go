package edge

import (
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/backoff"
	"github.com/slipway-ai/slipway/services/gateway/internal/dialect"
)

// effective is the request that the model sees: the caller's, or what a prompt made of it.
func (x *exchange) effective() (*dialect.Request, error) {
	x.out.prompt = ""
	if x.entity.PromptVersion == "" {
		return &x.req, nil
	}
	messages, err := x.req.Messages()
	if err != nil {
		return nil, err
	}
	variables, err := x.req.Variables()
	if err != nil {
		return nil, err
	}
	ask := &servingv1.RenderPromptRequest{
		Endpoint: x.endpoint.Name, ServedEntity: x.entity.Name, Variables: variables, Messages: make([]*servingv1.ChatMessage, len(messages)),
	}
	for i, m := range messages {
		ask.Messages[i] = &servingv1.ChatMessage{Role: m.Role, Content: m.Content}
	}
	resp, err := x.renderAt(ask)
	if err != nil {
		return nil, err
	}
	x.out.prompt = resp.GetPromptVersion()
	return x.render(resp)
}

// renderAt asks serving. One that is away, or knows the endpoint no longer as the routes here have it, is asked again when the
// routes have changed, and a few times before, within the retry window.
func (x *exchange) renderAt(ask *servingv1.RenderPromptRequest) (*servingv1.RenderPromptResponse, error) {
	pace := backoff.Backoff{Base: 20 * time.Millisecond, Max: 500 * time.Millisecond}
	for {
		changed := x.Routes.Changed()
		from := x.Clock.Now()
		resp, err := x.Prompts.RenderPrompt(x.peer(), ask)
		x.waitedSince(from)
		if err == nil || !retryable(err) {
			return resp, ours(err)
		}
		if moved := x.follow(); moved != nil {
			return nil, moved
		}
		x.out.retries++
		if over := x.await(changed, pace.Next()); over != nil {
			return nil, fault.Wrap("edge.renderAt", fault.KindOf(over), err, "the prompt of %s cannot be rendered: %s", x.entity.Name, fault.Text(err)).
				WithReason(fault.Reason(err))
		}
	}
}

// render puts rendered messages, and parameters that the caller did not give, into the caller's request.
func (x *exchange) render(resp *servingv1.RenderPromptResponse) (*dialect.Request, error) {
	w := dialect.Rewrite{Model: x.model, Messages: make([]dialect.Message, len(resp.GetMessages())), Defaults: map[string]string{}}
	for i, m := range resp.GetMessages() {
		w.Messages[i] = dialect.Message{Role: m.GetRole(), Content: m.GetContent()}
	}
	for name, value := range resp.GetParameters() {
		if !dialect.ValidJSON(value) {
			return nil, fault.New("edge.render", fault.FailedPrecondition, "the parameter %s of %s is not JSON", name, resp.GetPromptVersion()).WithReason("PROMPT_INVALID")
		}
		w.Defaults[name] = value
	}
	x.buf.render = x.req.AppendBody(x.buf.render[:0], w)
	if err := x.rendered.Scan(x.buf.render); err != nil {
		return nil, err
	}
	return &x.rendered, nil
}
