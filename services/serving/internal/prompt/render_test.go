package prompt_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/prompt"
)

func text(s string) domain.Template {
	return domain.Template{Text: s, Syntax: domain.DoubleBrace}
}

func msg(role, content string) domain.Message { return domain.Message{Role: role, Content: content} }

type vars = map[string]string

func TestRender(t *testing.T) {
	t.Parallel()
	chat := domain.Template{Syntax: domain.SingleBrace, Messages: []domain.Message{
		msg("system", "You know {topic}."), msg("user", "Q: {question}"),
	}}
	for name, test := range map[string]struct {
		template domain.Template
		values   vars
		messages []domain.Message
		want     []domain.Message
	}{
		"a text without a question is a system message before the caller's": {
			text("Answer in {{ language }}."),
			vars{"language": "German"},
			[]domain.Message{msg("user", "Hi")},
			[]domain.Message{msg("system", "Answer in German."), msg("user", "Hi")},
		},
		"a text that takes the question stands in its place": {
			text("Be brief. {{question}}"), nil,
			[]domain.Message{msg("user", "a"), msg("assistant", "b"), msg("user", "c")},
			[]domain.Message{msg("user", "a"), msg("assistant", "b"), msg("user", "Be brief. c")},
		},
		"input takes the last user message as well": {
			text("{{input}} / {{question}}"), nil,
			[]domain.Message{msg("user", "c")},
			[]domain.Message{msg("user", "c / c")},
		},
		"what follows the question stays behind it": {
			text("{{question}}!"), nil,
			[]domain.Message{msg("user", "c"), msg("assistant", "Well,")},
			[]domain.Message{msg("user", "c!"), msg("assistant", "Well,")},
		},
		"a question given by name leaves the messages alone": {
			text("{{question}}!"),
			vars{"question": "why"},
			[]domain.Message{msg("user", "c")},
			[]domain.Message{msg("system", "why!"), msg("user", "c")},
		},
		"a question given by name without any message is the user's": {
			text("{{question}}!"),
			vars{"question": "why"},
			nil,
			[]domain.Message{msg("user", "why!")},
		},
		"an empty value is a value": {
			text("[{{question}}]"),
			vars{"question": ""},
			[]domain.Message{msg("user", "c")},
			[]domain.Message{msg("system", "[]"), msg("user", "c")},
		},
		"a chat template opens the conversation and asks where the caller asked": {
			chat,
			vars{"topic": "ships"},
			[]domain.Message{msg("user", "a"), msg("assistant", "b"), msg("user", "c")},
			[]domain.Message{msg("system", "You know ships."), msg("user", "a"), msg("assistant", "b"), msg("user", "Q: c")},
		},
		"a chat template with its question given comes first": {
			chat,
			vars{"topic": "ships", "question": "x"},
			[]domain.Message{msg("user", "a")},
			[]domain.Message{msg("system", "You know ships."), msg("user", "Q: x"), msg("user", "a")},
		},
		"values without a variable are ignored": {
			text("Hi."), vars{"other": "x"}, nil, []domain.Message{msg("system", "Hi.")},
		},
		"no template variable, no message": {text("Hi."), nil, nil, []domain.Message{msg("system", "Hi.")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := prompt.Compile(test.template)
			require.NoError(t, err)
			got, err := p.Render(test.values, test.messages)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(test.want, got))
		})
	}
}

func TestValuesAreInsertedAsTheyAre(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		syntax domain.TemplateSyntax
		text   string
		want   string
	}{
		"double braces are not expanded again":       {domain.DoubleBrace, "{{a}}{{b}}", "{{b}}{a}%s"},
		"single braces are not expanded again":       {domain.SingleBrace, "{a}{b}", "{{b}}{a}%s"},
		"a double-brace template keeps single ones":  {domain.DoubleBrace, `{"x": {"y": "{{a}}"}}`, `{"x": {"y": "{{b}}"}}`},
		"a single-brace template halves double ones": {domain.SingleBrace, "{{a}} {{}} {a}", "{a} {} {{b}}"},
		"blanks around a name do not count":          {domain.DoubleBrace, "{{ a\t}}", "{{b}}"},
		"other scripts":                              {domain.DoubleBrace, "»{{ñäme}}« 你好", "»x« 你好"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := prompt.Compile(domain.Template{Text: test.text, Syntax: test.syntax})
			require.NoError(t, err)
			got, err := p.Render(vars{"a": "{{b}}", "b": "{a}%s", "ñäme": "x"}, nil)
			require.NoError(t, err)
			require.Equal(t, test.want, got[0].Content)
		})
	}
}

func TestAMissingVariableIsNamed(t *testing.T) {
	t.Parallel()
	p, err := prompt.Compile(text("{{language}} {{question}} {{tone}}"))
	require.NoError(t, err)
	require.Equal(t, []string{"language", "question", "tone"}, p.Variables())
	_, err = p.Render(vars{"tone": "kind"}, []domain.Message{msg("user", "hi")})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.Equal(t, "VARIABLE_MISSING", fault.Reason(err))
	require.Equal(t, `the variable "language" of the prompt has no value`, fault.Text(err))
	_, err = p.Render(vars{"tone": "kind"}, []domain.Message{msg("assistant", "hi")})
	require.Equal(t, `the variables "language", "question" of the prompt have no value`, fault.Text(err))
}

func TestRenderingLeavesTheCallersMessagesAlone(t *testing.T) {
	t.Parallel()
	p, err := prompt.Compile(text("{{question}}"))
	require.NoError(t, err)
	mine := append(make([]domain.Message, 0, 8), msg("user", "a"), msg("user", "b"))
	_, err = p.Render(nil, mine)
	require.NoError(t, err)
	require.Equal(t, []domain.Message{msg("user", "a"), msg("user", "b")}, mine)
}

func TestATemplateThatTheRegistryWouldRefuseDoesNotCompile(t *testing.T) {
	t.Parallel()
	for _, bad := range []domain.Template{
		{Text: "{{a", Syntax: domain.DoubleBrace},
		{Text: "{a", Syntax: domain.SingleBrace},
		{Text: "a}", Syntax: domain.SingleBrace},
		{Text: "a"},
	} {
		_, err := prompt.Compile(bad)
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%v", bad)
	}
}
