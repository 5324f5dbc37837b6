package promptfile_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/promptfile"
)

func TestATextFileIsATemplateWhole(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Hello {{name}}\n": "Hello {{name}}", "a\r\nb\r\n": "a\nb", "\xef\xbb\xbfHi\n\n": "Hi\n", "no break": "no break", "template: x\n": "template: x",
	} {
		got, err := promptfile.Read("dir.d/p.TXT", []byte(in))
		require.NoError(t, err)
		require.Equal(t, domain.PromptDraft{Template: want}, got)
	}
}

func TestAYAMLFileSaysMore(t *testing.T) {
	t.Parallel()
	got, err := promptfile.Read("p.yaml", []byte(`
messages:
  - role: system
    content: |
      You are {{persona}}.
  - {role: user, content: "{{question}}"}
syntax: double_brace
parameters:
  temperature: 0.2
  max_tokens: 100
  stop: ["\n", "<end>"]
  json: {"a": [1, null, true]}
comment: first
tags: {team: search, version: 1.10, on: yes, none: ~}
`))
	require.NoError(t, err)
	require.Equal(t, domain.PromptDraft{
		Messages:   []domain.Message{{Role: "system", Content: "You are {{persona}}.\n"}, {Role: "user", Content: "{{question}}"}},
		Syntax:     domain.DoubleBrace,
		Parameters: map[string]string{"temperature": "0.2", "max_tokens": "100", "stop": `["\n","<end>"]`, "json": `{"a":[1,null,true]}`},
		Comment:    "first",
		Tags:       map[string]string{"team": "search", "version": "1.10", "on": "yes", "none": ""},
	}, got)
	v, err := domain.NewPromptVersion(got)
	require.NoError(t, err)
	require.Equal(t, []string{"persona", "question"}, v.Variables)

	got, err = promptfile.Read("p.yml", []byte("template: Say {word}\nsyntax: Single_Brace\n"))
	require.NoError(t, err)
	require.Equal(t, "Say {word}", got.Template)
	require.Equal(t, domain.SingleBrace, got.Syntax)
}

func TestAFileThatIsNoPromptIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, content, says string }{
		"another ending":           {"p.json", "{}", `ends in ".json"`},
		"no ending":                {"prompt", "x", `ends in ""`},
		"not UTF-8":                {"p.txt", "a\xff", "not valid UTF-8"},
		"empty YAML":               {"p.yaml", "", "empty"},
		"only remarks":             {"p.yaml", "# nothing\n", "empty"},
		"an unknown key":           {"p.yaml", "template: x\ntemprature: 1\n", "line 2: field temprature is not known here"},
		"an unknown key inside":    {"p.yaml", "messages:\n- role: user\n  text: x\n", "line 3: field text is not known in a message"},
		"a key twice":              {"p.yaml", "template: x\ntemplate: y\n", "already defined"},
		"a list":                   {"p.yaml", "- template: x\n", "line 1"},
		"broken YAML":              {"p.yaml", "template: [x\n", "cannot be read"},
		"two documents":            {"p.yaml", "template: x\n---\ntemplate: y\n", "more than one"},
		"another syntax":           {"p.yaml", "template: x\nsyntax: jinja\n", `"jinja" is neither`},
		"a tag of a list":          {"p.yaml", "template: x\ntags: {a: [1]}\n", "line 2: a tag has a text"},
		"a parameter not a number": {"p.yaml", "template: x\nparameters: {temperature: .nan}\n", "temperature cannot be written as JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := promptfile.Read(c.file, []byte(c.content))
			require.Equal(t, "PROMPT_FILE_INVALID", fault.Reason(err), "%v", err)
			require.Contains(t, fault.Text(err), c.says)
		})
	}
	_, err := promptfile.Read("p.txt", bytes.Repeat([]byte("a"), promptfile.MaxBytes+1))
	require.True(t, fault.Is(err, fault.TooLarge))
}

func FuzzPromptFiles(f *testing.F) {
	f.Add("template: a\n", true)
	f.Add("messages:\n- {role: user, content: x}\nparameters: {a: {b: &x [1], c: *x}}", true)
	f.Add("a: &a [*a]", true)
	f.Add("\xef\xbb\xbf{{x}}", false)
	f.Fuzz(func(t *testing.T, content string, isYAML bool) {
		name := "p.txt"
		if isYAML {
			name = "p.yaml"
		}
		d, err := promptfile.Read(name, []byte(content))
		if err != nil {
			if fault.Reason(err) != "PROMPT_FILE_INVALID" && !fault.Is(err, fault.TooLarge) {
				t.Fatal(err)
			}
			return
		}
		if v, err := domain.NewPromptVersion(d); err == nil {
			for _, name := range v.Variables {
				if !strings.Contains(content, name) && !isYAML {
					t.Fatalf("%q has no variable %q", content, name)
				}
			}
		} else if !fault.Is(err, fault.Invalid) {
			t.Fatal(err)
		}
	})
}
