package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

func TestAPromptLives(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		ctx := admin(t)
		v := must[*registryv1.CreatePromptVersionResponse](t)(h.prompt.CreatePromptVersion(ctx, &registryv1.CreatePromptVersionRequest{
			Prompt:     greet,
			Messages:   []*registryv1.PromptMessage{{Role: "system", Content: "Be {{tone}}."}, {Role: "user", Content: "{{question}}"}},
			Parameters: map[string]string{"temperature": "0.2", "stop": `[ "\n" ]`},
			Comment:    "as a chat", Tags: map[string]string{"k": "v"},
		})).GetPromptVersion()
		require.EqualValues(t, 2, v.GetVersion())
		require.Equal(t, []string{"question", "tone"}, v.GetVariables())
		require.Equal(t, registryv1.TemplateSyntax_TEMPLATE_SYNTAX_DOUBLE_BRACE, v.GetSyntax())
		require.Equal(t, map[string]string{"temperature": "0.2", "stop": `["\n"]`}, v.GetParameters())
		require.Equal(t, "root", v.GetCreator())
		require.Len(t, v.GetDigest(), 64)
		require.Equal(t, v.String(), must[*registryv1.GetPromptVersionResponse](t)(h.prompt.GetPromptVersion(ctx, &registryv1.GetPromptVersionRequest{Prompt: greet, Version: 2})).GetPromptVersion().String())

		previous := must[*registryv1.SetPromptAliasResponse](t)(h.prompt.SetPromptAlias(ctx, &registryv1.SetPromptAliasRequest{Prompt: greet, Alias: "prod", Version: 2}))
		require.EqualValues(t, 1, previous.GetPreviousVersion())
		for uri, want := range map[string]int64{"prompts:/main.demo.greet/1": 1, "prompts:/main.demo.greet@prod": 2} {
			got := must[*registryv1.ResolvePromptVersionResponse](t)(h.prompt.ResolvePromptVersion(ctx, &registryv1.ResolvePromptVersionRequest{Uri: uri})).GetPromptVersion()
			require.Equal(t, want, got.GetVersion())
		}
		p := must[*registryv1.GetPromptResponse](t)(h.prompt.GetPrompt(ctx, &registryv1.GetPromptRequest{FullName: greet})).GetPrompt()
		require.Equal(t, map[string]int64{"prod": 2}, p.GetAliases())
		require.EqualValues(t, 2, p.GetLatestVersion())

		list := must[*registryv1.ListPromptVersionsResponse](t)(h.prompt.ListPromptVersions(ctx, &registryv1.ListPromptVersionsRequest{Prompt: greet, PageSize: 1}))
		require.EqualValues(t, 2, list.GetPromptVersions()[0].GetVersion())
		require.Equal(t, []string{"prod"}, list.GetPromptVersions()[0].GetAliases())
		list = must[*registryv1.ListPromptVersionsResponse](t)(h.prompt.ListPromptVersions(ctx, &registryv1.ListPromptVersionsRequest{Prompt: greet, PageSize: 1, PageToken: list.GetNextPageToken()}))
		require.EqualValues(t, 1, list.GetPromptVersions()[0].GetVersion())
		require.Equal(t, "Hello {{name}}", list.GetPromptVersions()[0].GetTemplate())

		refused(t, err(h.prompt.CreatePrompt(ctx, &registryv1.CreatePromptRequest{FullName: greet})), fault.AlreadyExists, "", "prompt main.demo.greet already exists")
		refused(t, err(h.prompt.GetPromptVersion(ctx, &registryv1.GetPromptVersionRequest{Prompt: greet, Version: 9})), fault.NotFound, "", "version 9 of prompt main.demo.greet not found")
		refused(t, err(h.prompt.SetPromptAlias(ctx, &registryv1.SetPromptAliasRequest{Prompt: greet, Alias: "x", Version: 9})), fault.NotFound, "")
		refused(t, err(h.prompt.SetPromptAlias(ctx, &registryv1.SetPromptAliasRequest{Prompt: greet, Alias: "9", Version: 1})), fault.Invalid, "ALIAS_INVALID")
		refused(t, err(h.prompt.ResolvePromptVersion(ctx, &registryv1.ResolvePromptVersionRequest{Uri: "prompts:/main.demo.greet@nobody"})), fault.NotFound, "", "alias nobody")
		refused(t, err(h.prompt.ResolvePromptVersion(ctx, &registryv1.ResolvePromptVersionRequest{Uri: "models:/main.demo.greet/1"})), fault.Invalid, "REFERENCE_INVALID")
		refused(t, err(h.prompt.DeletePromptAlias(ctx, &registryv1.DeletePromptAliasRequest{Prompt: greet, Alias: "nobody"})), fault.NotFound, "")
		must[*registryv1.DeletePromptResponse](t)(h.prompt.DeletePrompt(ctx, &registryv1.DeletePromptRequest{FullName: greet}))
		refused(t, err(h.prompt.GetPrompt(ctx, &registryv1.GetPromptRequest{FullName: greet})), fault.NotFound, "", "prompt main.demo.greet not found")
	})
}

func TestABadTemplateIsRefusedWhereItIsBad(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	double, single := registryv1.TemplateSyntax_TEMPLATE_SYNTAX_DOUBLE_BRACE, registryv1.TemplateSyntax_TEMPLATE_SYNTAX_SINGLE_BRACE
	for name, c := range map[string]struct {
		request *registryv1.CreatePromptVersionRequest
		says    string
	}{
		"never closed":       {&registryv1.CreatePromptVersionRequest{Template: "Hello\n {{name", Syntax: double}, "line 2, column 2: `{{` is never closed"},
		"closes nothing":     {&registryv1.CreatePromptVersionRequest{Template: "name}}", Syntax: double}, "`}}` closes nothing"},
		"never said, open":   {&registryv1.CreatePromptVersionRequest{Template: "Hello {{name"}, "`{{` is never closed"},
		"single, open":       {&registryv1.CreatePromptVersionRequest{Template: "Hello {name", Syntax: single}, "`{` is never closed"},
		"single, stray":      {&registryv1.CreatePromptVersionRequest{Template: "Hello name}", Syntax: single}, "`}` closes nothing"},
		"not a name":         {&registryv1.CreatePromptVersionRequest{Template: "{{first name}}", Syntax: double}, "no variable"},
		"in a message":       {&registryv1.CreatePromptVersionRequest{Messages: []*registryv1.PromptMessage{{Role: "user", Content: "{{a}} {{"}}}, "never closed"},
		"nothing":            {&registryv1.CreatePromptVersionRequest{}, "needs a template or messages"},
		"both":               {&registryv1.CreatePromptVersionRequest{Template: "a", Messages: []*registryv1.PromptMessage{{Role: "user", Content: "b"}}}, "not both"},
		"another role":       {&registryv1.CreatePromptVersionRequest{Messages: []*registryv1.PromptMessage{{Role: "tool", Content: "b"}}}, `role "tool"`},
		"a bad parameter":    {&registryv1.CreatePromptVersionRequest{Template: "a", Parameters: map[string]string{"temperature": "hot"}}, "not a JSON value"},
		"an unknown syntax":  {&registryv1.CreatePromptVersionRequest{Template: "a", Syntax: 77}, "77"},
		"a bad tag":          {&registryv1.CreatePromptVersionRequest{Template: "a", Tags: map[string]string{"": "x"}}, "tag key"},
		"a megabyte and one": {&registryv1.CreatePromptVersionRequest{Template: strings.Repeat("a", 1<<20+1)}, "at most 1048576"},
	} {
		c.request.Prompt = greet
		refused(t, err(h.prompt.CreatePromptVersion(admin(t), c.request)), fault.Invalid, "", c.says)
		p := must[*registryv1.GetPromptResponse](t)(h.prompt.GetPrompt(admin(t), &registryv1.GetPromptRequest{FullName: greet})).GetPrompt()
		require.EqualValues(t, 1, p.GetLatestVersion(), "%s: a refused version takes no number", name)
	}
}

func TestPromptsAreImportedFromFiles(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		load := func(name, content string) (*registryv1.PromptVersion, error) {
			r, err := h.prompt.ImportPromptVersion(admin(t), &registryv1.ImportPromptVersionRequest{Prompt: greet, FileName: name, Content: []byte(content)})
			return r.GetPromptVersion(), err
		}
		v := must[*registryv1.PromptVersion](t)(load("p.txt", "Hello {{name}}\n"))
		first := must[*registryv1.GetPromptVersionResponse](t)(h.prompt.GetPromptVersion(admin(t), &registryv1.GetPromptVersionRequest{Prompt: greet, Version: 1})).GetPromptVersion()
		require.Equal(t, first.GetDigest(), v.GetDigest(), "the same text, from a file")
		require.EqualValues(t, 2, v.GetVersion())

		v = must[*registryv1.PromptVersion](t)(load("p.YAML", "messages:\n- {role: system, content: 'Say {word}'}\nparameters: {temperature: 0, seed: 7}\ncomment: from a file\ntags: {a: b}\nsyntax: single_brace\n"))
		require.Equal(t, "Say {word}", v.GetMessages()[0].GetContent())
		require.Equal(t, []string{"word"}, v.GetVariables())
		require.Equal(t, map[string]string{"temperature": "0", "seed": "7"}, v.GetParameters())
		require.Equal(t, "from a file", v.GetComment())
		require.Equal(t, map[string]string{"a": "b"}, v.GetTags())
		require.Equal(t, registryv1.TemplateSyntax_TEMPLATE_SYNTAX_SINGLE_BRACE, v.GetSyntax())

		for _, c := range [][3]string{
			{"p.md", "x", "ends in"},
			{"p.yaml", "template: x\nmodel: y\n", "line 2: field model is not known"},
			{"p.txt", "{{name", "never closed"},
			{"p.txt", "\xff", "UTF-8"},
			{"p.yaml", "comment: x\n", "needs a template or messages"},
		} {
			_, err := load(c[0], c[1])
			refused(t, err, fault.Invalid, "", c[2])
		}
		_, err := load("p.txt", strings.Repeat("a", 1<<20+1))
		refused(t, err, fault.Invalid, "")
		_, err = load("p.txt", "")
		refused(t, err, fault.Invalid, "")
	})
}
