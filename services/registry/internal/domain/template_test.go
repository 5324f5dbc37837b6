package domain_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

func TestVariablesAreFoundInBothSyntaxes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		syntax domain.Syntax
		text   string
		want   []string
	}{
		"sorted, each once":         {domain.DoubleBrace, "{{b}} {{a}} {{ b }}", []string{"a", "b"}},
		"white space inside":        {domain.DoubleBrace, "{{  name\t}}", []string{"name"}},
		"single braces are text":    {domain.DoubleBrace, "{name} {{x}} } {", []string{"x"}},
		"JSON around a variable":    {domain.DoubleBrace, `{"a": {"b": {{x}}}}`, []string{"x"}},
		"JSON that ends in braces":  {domain.DoubleBrace, `{"a": {"b": 1}} {{x}}`, []string{"x"}},
		"next to each other":        {domain.DoubleBrace, "{{a}}{{b}}", []string{"a", "b"}},
		"other scripts":             {domain.DoubleBrace, "{{größe}} {{имя}} {{_}} {{x1}}", []string{"_", "größe", "x1", "имя"}},
		"none":                      {domain.DoubleBrace, "plain", nil},
		"single":                    {domain.SingleBrace, "{b} {a} { b }", []string{"a", "b"}},
		"doubled braces are braces": {domain.SingleBrace, `{{"a": {x}}}`, []string{"x"}},
		"only doubled braces":       {domain.SingleBrace, `{{}} {{name}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := domain.Variables(c.syntax, c.text)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestABraceOutOfPlaceIsNamedByLineAndColumn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		syntax domain.Syntax
		text   string
		says   string
	}{
		"never closed":            {domain.DoubleBrace, "é\nab{{name", "line 2, column 3: `{{` is never closed"},
		"closed by one":           {domain.DoubleBrace, "{{name} and {{b}}", "line 1, column 1: `{{` is never closed"},
		"closed on another line":  {domain.DoubleBrace, "{{name\n}}", "line 1, column 1: `{{` is never closed"},
		"opened twice":            {domain.DoubleBrace, "{{a {{b}}", "line 1, column 1: `{{` is never closed"},
		"closes nothing":          {domain.DoubleBrace, "日本 }} x", "line 1, column 4: `}}` closes nothing"},
		"one open, two close":     {domain.DoubleBrace, "{name}}", "line 1, column 6: `}}` closes nothing"},
		"no name":                 {domain.DoubleBrace, "{{}}", "is no variable"},
		"a space in the name":     {domain.DoubleBrace, "{{first name}}", "`{{first name}}` is no variable"},
		"a number first":          {domain.DoubleBrace, "{{1st}}", "is no variable"},
		"a filter":                {domain.DoubleBrace, "{{name|upper}}", "is no variable"},
		"a name of a page":        {domain.DoubleBrace, "{{" + strings.Repeat("é", 300) + "}}", strings.Repeat("é", 40) + "…}}` is no variable"},
		"single, never closed":    {domain.SingleBrace, "a {name", "line 1, column 3: `{` is never closed"},
		"single, closes nothing":  {domain.SingleBrace, "name}", "line 1, column 5: `}` closes nothing"},
		"single, empty":           {domain.SingleBrace, "{}", "is no variable"},
		"single, a format":        {domain.SingleBrace, "{x:>10}", "is no variable"},
		"single, an attribute":    {domain.SingleBrace, "{x.y}", "is no variable"},
		"single, JSON":            {domain.SingleBrace, `{"a": 1}`, "say that the syntax is DOUBLE_BRACE"},
		"single, odd braces":      {domain.SingleBrace, "{{{", "line 1, column 3: `{` is never closed"},
		"single, odd braces back": {domain.SingleBrace, "}}}", "line 1, column 3: `}` closes nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := domain.Variables(c.syntax, c.text)
			require.Equal(t, "TEMPLATE_INVALID", fault.Reason(err))
			require.Contains(t, fault.Text(err), c.says)
		})
	}
}

func TestTheSyntaxIsFoundFromTheText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]domain.Syntax{
		"{{name}} {x}": domain.DoubleBrace, "{{ name }}": domain.DoubleBrace, "{name}": domain.SingleBrace, "plain": domain.SingleBrace,
		`{{"a": {x}}}`: domain.SingleBrace, "{{ {{a}}": domain.DoubleBrace, "{{}}": domain.SingleBrace,
	} {
		got, err := domain.DetectSyntax(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	got, err := domain.DetectSyntax("{a}", "{{b}}")
	require.NoError(t, err)
	require.Equal(t, domain.DoubleBrace, got, "all messages count")
	for text, says := range map[string]string{
		"Hello {{name":     "column 7: `{{` is never closed",
		"Hello name}}":     "column 11: `}}` closes nothing",
		"{{ {{ }} {{":      "column 10: `{{` is never closed",
		"Hello {{name} yo": "column 13: `}` closes nothing",
	} {
		_, err := domain.DetectSyntax(text)
		require.Equal(t, "TEMPLATE_INVALID", fault.Reason(err), text)
		require.Contains(t, fault.Text(err), says)
	}
	_, err = domain.Variables(domain.SingleBrace, "Hello {{name and {{ }} {{")
	require.NoError(t, err, "whoever says SINGLE_BRACE may leave doubled braces alone")
}

func TestAPromptVersionIsCheckedAndCompleted(t *testing.T) {
	t.Parallel()
	v, err := domain.NewPromptVersion(domain.PromptDraft{
		Messages:   []domain.Message{{Role: "system", Content: "Be {{tone}}."}, {Role: "user", Content: "{{question}} {tone}"}},
		Parameters: map[string]string{"temperature": " 0.5 ", "stop": `[ "a" ]`, "seed": "7", "max_tokens": "100", "top_p": "1"},
	})
	require.NoError(t, err)
	require.Equal(t, domain.DoubleBrace, v.Syntax)
	require.Equal(t, []string{"question", "tone"}, v.Variables)
	require.Equal(t, map[string]string{"temperature": "0.5", "stop": `["a"]`, "seed": "7", "max_tokens": "100", "top_p": "1"}, v.Parameters)
	require.Len(t, v.Digest, 64)

	for name, d := range map[string]domain.PromptDraft{
		"nothing":                 {},
		"both":                    {Template: "a", Messages: []domain.Message{{Role: "user", Content: "b"}}},
		"an unknown role":         {Messages: []domain.Message{{Role: "robot", Content: "b"}}},
		"an empty message":        {Messages: []domain.Message{{Role: "user"}}},
		"broken UTF-8":            {Template: "\xff"},
		"a NUL":                   {Template: "a\x00"},
		"too long":                {Template: strings.Repeat("a", domain.MaxTemplate+1)},
		"too many messages":       {Messages: make([]domain.Message, domain.MaxMessages+1)},
		"an unknown syntax":       {Template: "a", Syntax: "JINJA"},
		"a bad template":          {Template: "{{"},
		"a bad comment":           {Template: "a", Comment: "\xff"},
		"a bad tag":               {Template: "a", Tags: map[string]string{"": ""}},
		"no JSON":                 {Template: "a", Parameters: map[string]string{"seed": "seven"}},
		"two JSON values":         {Template: "a", Parameters: map[string]string{"seed": "1 2"}},
		"a bad parameter name":    {Template: "a", Parameters: map[string]string{"Seed": "1"}},
		"a hot temperature":       {Template: "a", Parameters: map[string]string{"temperature": `"hot"`}},
		"a cold temperature":      {Template: "a", Parameters: map[string]string{"temperature": "-1"}},
		"top_p of 0":              {Template: "a", Parameters: map[string]string{"top_p": "0"}},
		"half a token":            {Template: "a", Parameters: map[string]string{"max_tokens": "0.5"}},
		"a stop of numbers":       {Template: "a", Parameters: map[string]string{"stop": "[1]"}},
		"a long parameter":        {Template: "a", Parameters: map[string]string{"seed": `"` + strings.Repeat("a", domain.MaxParameter) + `"`}},
		"too many parameters":     {Template: "a", Parameters: many(domain.MaxParameters + 1)},
		"a parameter of raw \xff": {Template: "a", Parameters: map[string]string{"seed": "\"\xff\""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := domain.NewPromptVersion(d)
			require.Equal(t, fault.Invalid, fault.KindOf(err), "%v", err)
		})
	}
}

func many(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m["p"+strings.Repeat("x", i%60)+string(rune('a'+i/60))] = "1"
	}
	return m
}

func TestTheDigestIsOfWhatAModelSees(t *testing.T) {
	t.Parallel()
	digest := func(d domain.PromptDraft) string {
		v, err := domain.NewPromptVersion(d)
		require.NoError(t, err)
		return v.Digest
	}
	base := domain.PromptDraft{Template: "<{{a}}> & ü", Parameters: map[string]string{"seed": "1", "stop": `"x"`}}
	// printf '%s' '{"parameters":{"seed":1,"stop":"x"},"syntax":"DOUBLE_BRACE","template":"<{{a}}> & ü"}' | sha256sum
	require.Equal(t, "48f5670a5685e306f8ac3e387ea96b6b022b4ab96b3f083fb22faa5ab1d6731a", digest(base))

	same := base
	same.Comment, same.Tags, same.Parameters = "other words", map[string]string{"k": "v"}, map[string]string{"stop": ` "x" `, "seed": "1"}
	require.Equal(t, digest(base), digest(same))
	for name, change := range map[string]func(d *domain.PromptDraft){
		"template":   func(d *domain.PromptDraft) { d.Template += "." },
		"parameters": func(d *domain.PromptDraft) { d.Parameters = nil },
		"messages": func(d *domain.PromptDraft) {
			d.Messages = []domain.Message{{Role: "system", Content: d.Template}}
			d.Template = ""
		},
		"syntax": func(d *domain.PromptDraft) { d.Template, d.Syntax = "x", domain.SingleBrace },
	} {
		other := base
		change(&other)
		require.NotEqual(t, digest(base), digest(other), name)
	}
	require.NotEqual(t, digest(domain.PromptDraft{Template: "x", Syntax: domain.SingleBrace}), digest(domain.PromptDraft{Template: "x", Syntax: domain.DoubleBrace}))
}

func FuzzTemplates(f *testing.F) {
	for _, s := range []string{"{{a}}", "{a}", "{{", "}}", "{{{a}}}", "{\"a\":{\"b\":{{x}}}}", "{{a b}}", "é{{ü}}\n{{", "{{}}", "{a}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, syntax := range []domain.Syntax{domain.DoubleBrace, domain.SingleBrace} {
			names, err := domain.Variables(syntax, s)
			if err != nil {
				if fault.Reason(err) != "TEMPLATE_INVALID" || utf8.ValidString(s) && !utf8.ValidString(fault.Text(err)) {
					t.Fatalf("%q: %v", s, err)
				}
				if !strings.ContainsAny(s, "{}") {
					t.Fatalf("%q has no brace out of place: %v", s, err)
				}
				continue
			}
			for i, n := range names {
				if i > 0 && names[i-1] >= n {
					t.Fatalf("%q: %q is not sorted", s, names)
				}
				if !strings.Contains(s, n) || strings.ContainsAny(n, "{} \n") || n == "" {
					t.Fatalf("%q has no variable %q", s, n)
				}
			}
			if detected, err := domain.DetectSyntax(s); err == nil && detected == domain.DoubleBrace && syntax == detected && len(names) == 0 {
				t.Fatalf("%q was taken for double braces and has no variable", s)
			}
		}
	})
}
