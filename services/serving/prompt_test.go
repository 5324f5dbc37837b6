package serving_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/serving"
)

const promptName = "main.demo.greet"

// prompted is a bench with an endpoint that serves version 1 of a prompt as "one" and, beside it, the bare model.
func prompted(t *testing.T, change ...func(*serving.Config)) *bench {
	t.Helper()
	b := newBench(t, change...)
	b.registry.PutPrompt(&registryv1.PromptVersion{
		Prompt: promptName, Version: 1, Template: "Answer in {{ language }}.", Syntax: registryv1.TemplateSyntax_TEMPLATE_SYNTAX_DOUBLE_BRACE,
		Parameters: map[string]string{"temperature": "0.2"},
	})
	b.registry.PutPrompt(&registryv1.PromptVersion{
		Prompt: promptName, Version: 2, Messages: []*registryv1.PromptMessage{{Role: "system", Content: "You are {tone}."}, {Role: "user", Content: "Q: {question}"}},
		Syntax: registryv1.TemplateSyntax_TEMPLATE_SYNTAX_SINGLE_BRACE,
	})
	b.registry.Grant("alice", registryv1.Privilege_PRIVILEGE_EXECUTE, promptName)
	b.serving("chat", withPrompt("one", "/1"))
	b.registry.Grant("bob", registryv1.Privilege_PRIVILEGE_EXECUTE, "chat")
	return b
}

// withPrompt serves a version of the prompt on version 1 of the model, and that model bare.
func withPrompt(name, version string) *servingv1.EndpointConfig {
	m := &servingv1.ModelEntity{Model: "models:/" + model + "/1"}
	return &servingv1.EndpointConfig{
		ServedEntities: []*servingv1.ServedEntity{
			{Name: name, Entity: &servingv1.ServedEntity_Prompt{Prompt: &servingv1.PromptEntity{Prompt: "prompts:/" + promptName + version, Backend: &servingv1.PromptEntity_Model{Model: m}}}},
			{Name: "bare", Entity: &servingv1.ServedEntity_Model{Model: m}},
		},
		Routes: []*servingv1.TrafficRoute{{ServedEntity: name, TrafficPercentage: 100}},
	}
}

func (b *bench) render(user, entity string, values map[string]string, messages ...*servingv1.ChatMessage) (*servingv1.RenderPromptResponse, error) {
	return b.prompts.RenderPrompt(b.as(user), &servingv1.RenderPromptRequest{Endpoint: "chat", ServedEntity: entity, Variables: values, Messages: messages})
}

func said(role, content string) *servingv1.ChatMessage {
	return &servingv1.ChatMessage{Role: role, Content: content}
}

func TestAPromptIsRenderedWithItsParametersAndItsVersion(t *testing.T) {
	t.Parallel()
	b := prompted(t)
	got, err := b.render("bob", "one", map[string]string{"language": "{{language}} German"}, said("user", "Hi"))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(&servingv1.RenderPromptResponse{
		Messages:   []*servingv1.ChatMessage{said("system", "Answer in {{language}} German."), said("user", "Hi")},
		Parameters: map[string]string{"temperature": "0.2"}, PromptVersion: "prompts:/" + promptName + "/1",
	}, got, protocmp.Transform()))
	b.eventually(func() bool { return len(b.registry.Edges()) == 2 }, "lineage is recorded")
	require.Contains(t, b.registry.Edges(), "prompts:/"+promptName+"/1 renders endpoints:/chat")

	b.update("chat", withPrompt("one", "/2"))
	b.eventually(func() bool {
		got, err = b.render("bob", "one", map[string]string{"tone": "kind"}, said("user", "a"), said("assistant", "b"), said("user", "c"))
		return err == nil
	}, "version 2 is rendered")
	require.Empty(t, cmp.Diff([]*servingv1.ChatMessage{
		said("system", "You are kind."), said("user", "a"), said("assistant", "b"), said("user", "Q: c"),
	}, got.GetMessages(), protocmp.Transform()))
	require.Len(t, b.runtime.Loads(), 1, "another prompt on the same model loads nothing")
}

func TestRenderingNeedsThePromptInTheRegistryNoMore(t *testing.T) {
	t.Parallel()
	b := prompted(t)
	b.registry.Fail("ResolvePromptVersion", fault.New("registry", fault.Unavailable, "away"))
	b.registry.DropPrompt(promptName, 1)
	_, err := b.render("bob", "one", map[string]string{"language": "x"})
	require.NoError(t, err)
	b.stop("serving")
	b.start("serving")
	_, err = b.render("bob", "one", map[string]string{"language": "x"})
	require.NoError(t, err, "the template is kept beside the revision")
}

func TestAGrantThatIsTakenBackEndsRendering(t *testing.T) {
	t.Parallel()
	b := prompted(t)
	_, err := b.render("bob", "one", map[string]string{"language": "x"})
	require.NoError(t, err)
	asked := b.registry.Checks()
	for range 5 {
		_, err = b.render("bob", "one", map[string]string{"language": "x"})
		require.NoError(t, err)
	}
	require.LessOrEqual(t, b.registry.Checks()-asked, 1, "a decision is remembered")
	b.registry.Revoke("bob", registryv1.Privilege_PRIVILEGE_EXECUTE, "chat")
	testkit.Eventually(t, 5*time.Second, func() bool { // half of what a decision is remembered for
		_, err = b.render("bob", "one", map[string]string{"language": "x"})
		return fault.Is(err, fault.NotFound)
	}, "the revocation is noticed")
}

func TestEveryMistakeInRenderingHasItsKind(t *testing.T) {
	t.Parallel()
	b := prompted(t)
	for name, test := range map[string]struct {
		user, entity string
		values       map[string]string
		messages     []*servingv1.ChatMessage
		kind         fault.Kind
		text         string
	}{
		"a missing variable":             {"bob", "one", nil, nil, fault.Invalid, `the variable "language" of the prompt has no value`},
		"an entity that never was":       {"bob", "seven", nil, nil, fault.FailedPrecondition, `does not serve "seven"`},
		"an entity without a prompt":     {"bob", "bare", nil, nil, fault.FailedPrecondition, `"bare" of endpoint "chat" has no prompt`},
		"a caller who may not query":     {"carol", "one", nil, nil, fault.NotFound, `endpoint "chat" not found`},
		"a role that there is not":       {"bob", "one", map[string]string{"language": "x"}, []*servingv1.ChatMessage{said("tool", "x")}, fault.Invalid, "role"},
		"no name of an entity":           {"bob", "", nil, nil, fault.Invalid, "served_entity"},
		"a caller who may see all of it": {"alice", "one", nil, nil, fault.Invalid, "language"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.render(test.user, test.entity, test.values, test.messages...)
			require.Equal(t, test.kind, fault.KindOf(err), "%v", err)
			require.Contains(t, fault.Text(err), test.text)
		})
	}
}

func TestAPromptOfARevisionThatWasJustReplacedIsStillRendered(t *testing.T) {
	t.Parallel()
	b := prompted(t, func(c *serving.Config) {
		c.AckTimeout, c.PublishWait = config.Duration(1500*time.Millisecond), config.Duration(10*time.Millisecond)
	})
	b.update("chat", withPrompt("two", "/2"))
	_, err := b.render("bob", "one", map[string]string{"language": "x"})
	require.NoError(t, err, "a gateway may still route by the table before")
	b.eventually(func() bool {
		_, err = b.render("bob", "one", map[string]string{"language": "x"})
		return fault.Is(err, fault.FailedPrecondition)
	}, "the revision is gone")
	require.Equal(t, "REVISION_GONE", fault.Reason(err))
}

func TestAPromptAliasIsFollowed(t *testing.T) {
	t.Parallel()
	b := prompted(t)
	set := func(v int64) {
		b.registry.SetAlias(registryv1.EventKind_EVENT_KIND_PROMPT_ALIAS_SET, promptName, "live", v)
	}
	set(1)
	b.update("chat", withPrompt("one", "@live"))
	b.active("chat", 2)
	set(2)
	e := b.active("chat", 3)
	require.Equal(t, "prompts:/"+promptName+"/2", e.GetActiveConfig().GetStates()[0].GetResolvedPrompt())
	require.Equal(t, "system", e.GetActiveConfig().GetCreator())
	require.Len(t, b.runtime.Loads(), 1)
}

func TestAnExternalModelIsRoutedAtOnceWithItsPrompt(t *testing.T) {
	t.Parallel()
	b := prompted(t)
	g, _ := b.gateway("g1", "serving")
	x := &servingv1.ExternalEntity{Provider: "openai", Model: "gpt-4o", Task: "chat"}
	e := b.create("outside", &servingv1.EndpointConfig{ServedEntities: []*servingv1.ServedEntity{
		{Entity: &servingv1.ServedEntity_Prompt{Prompt: &servingv1.PromptEntity{Prompt: "prompts:/" + promptName + "/1", Backend: &servingv1.PromptEntity_External{External: x}}}},
		{Entity: &servingv1.ServedEntity_External{External: x}},
	}, Routes: []*servingv1.TrafficRoute{{ServedEntity: "greet-1", TrafficPercentage: 50}, {ServedEntity: "gpt-4o", TrafficPercentage: 50}}})
	require.Equal(t, servingv1.Readiness_READINESS_READY, e.GetReady())
	route := g.Route("outside")
	require.Equal(t, e.GetId(), route.GetId())
	require.EqualValues(t, 1, route.GetConfigRevision())
	require.Equal(t, "prompts:/"+promptName+"/1", route.GetEntities()[0].GetPromptVersion())
	require.Equal(t, "openai", route.GetEntities()[0].GetExternal().GetProvider())
	require.Empty(t, route.GetEntities()[1].GetPromptVersion())
	require.Empty(t, route.GetEntities()[1].GetInstances())
}
