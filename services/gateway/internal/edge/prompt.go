package edge

import (
	"github.com/slipway-ai/slipway/pkg/fault"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
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
	from := x.Clock.Now()
	resp, err := x.Prompts.RenderPrompt(x.peer(), ask)
	x.waitedSince(from)
	if err != nil {
		return nil, x.renderFailed(err)
	}
	x.out.prompt = resp.GetPromptVersion()
	return x.render(resp)
}

// renderFailed follows a route that has changed under the request; any other failure is the answer.
func (x *exchange) renderFailed(err error) error {
	if fault.Is(err, fault.FailedPrecondition) || fault.Is(err, fault.NotFound) {
		before := x.table
		if moved := x.follow(); moved != nil {
			return moved
		}
		if x.table != before {
			return errMoved // the same entity, in a table that serving knows
		}
	}
	return err
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
