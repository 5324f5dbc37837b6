package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
)

func scan(t *testing.T, body string) *Request {
	t.Helper()
	var r Request
	require.NoError(t, r.Scan([]byte(body)))
	return &r
}

func TestAScannedRequestAnswersByName(t *testing.T) {
	t.Parallel()
	r := scan(t, ` { "model" : "chat\u002dmodel", "stream":true,"stream_options":{"include_usage":true,"other":[1]},
		"max_tokens": 12 ,"temperature":1.5e-1,"user":"ann","messages":[{"role":"user","content":"{\"model\":\"no\"}"}],"n":null} `)
	model, err := r.Model()
	require.NoError(t, err)
	require.Equal(t, "chat-model", model)
	stream, usage, err := r.Stream()
	require.NoError(t, err)
	require.True(t, stream)
	require.True(t, usage)
	n, given, err := r.Int(FieldMaxTokens)
	require.NoError(t, err)
	require.True(t, given)
	require.EqualValues(t, 12, n)
	x, given, err := r.Float(FieldTemperature)
	require.NoError(t, err)
	require.True(t, given)
	require.InDelta(t, 0.15, x, 1e-12)
	require.Equal(t, "ann", r.Unit())
	require.False(t, r.Has(FieldN), "null is absent")
	require.False(t, r.Has(FieldTools))
}

func TestWhatIsNotOneStrictObjectIsRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	for name, c := range map[string]struct{ body, reason string }{
		"empty":                      {"", "INVALID_JSON"},
		"space":                      {"  \n", "INVALID_JSON"},
		"array":                      {"[]", "INVALID_JSON"},
		"string":                     {`"a"`, "INVALID_JSON"},
		"not closed":                 {`{"model":"a"`, "INVALID_JSON"},
		"trailing comma":             {`{"model":"a",}`, "INVALID_JSON"},
		"two values":                 {`{"model":"a"} {}`, "INVALID_JSON"},
		"no colon":                   {`{"model" "a"}`, "INVALID_JSON"},
		"bare key":                   {`{model:"a"}`, "INVALID_JSON"},
		"control character":          {"{\"model\":\"a\nb\"}", "INVALID_JSON"},
		"half an escape":             {`{"model":"\u12"}`, "INVALID_JSON"},
		"unknown escape":             {`{"model":"\x41"}`, "INVALID_JSON"},
		"leading zero":               {`{"n":01}`, "INVALID_JSON"},
		"plus":                       {`{"n":+1}`, "INVALID_JSON"},
		"bare point":                 {`{"n":1.}`, "INVALID_JSON"},
		"bare exponent":              {`{"n":1e}`, "INVALID_JSON"},
		"NaN":                        {`{"n":NaN}`, "INVALID_JSON"},
		"nested error":               {`{"messages":[{"role":"user",}]}`, "INVALID_JSON"},
		"too deep":                   {`{"messages":` + deep + `}`, "INVALID_JSON"},
		"two models":                 {`{"model":"a","model":"b"}`, "DUPLICATE_MEMBER"},
		"a disguised second model":   {`{"model":"a","mod\u0065l":"b"}`, "DUPLICATE_MEMBER"},
		"an unknown name twice":      {`{"x":1,"x":2}`, "DUPLICATE_MEMBER"},
		"an unknown name disguised":  {`{"\u0078":1,"x":2}`, "DUPLICATE_MEMBER"},
		"invalid UTF-8 in a string":  {"{\"model\":\"\xff\"}", "INVALID_UTF8"},
		"an overlong encoding":       {"{\"model\":\"\xc0\xaf\"}", "INVALID_UTF8"},
		"a surrogate in UTF-8":       {"{\"model\":\"\xed\xa0\x80\"}", "INVALID_UTF8"},
		"a byte order mark in front": {"\ufeff{}", "INVALID_JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r Request
			err := r.Scan([]byte(c.body))
			require.True(t, fault.Is(err, fault.Invalid), "%v", err)
			require.Equal(t, c.reason, fault.Reason(err))
		})
	}
}

func TestTooManyMembersAreRefused(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"a":0`)
	for i := range maxMembers {
		b.WriteString(`,"m` + strings.Repeat("x", i) + `":0`)
	}
	b.WriteString(`}`)
	var r Request
	require.True(t, fault.Is(r.Scan([]byte(b.String())), fault.Invalid))
}

func TestWrongTypesNameTheParameter(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"model":1}`:                                                          "model",
		`{"model":"m","stream":"yes"}`:                                         "stream",
		`{"model":"m","stream":true,"stream_options":[]}`:                      "stream_options",
		`{"model":"m","stream_options":{}}`:                                    "stream_options",
		`{"model":"m","stream":true,"stream_options":{"include_usage":"yes"}}`: "stream_options.include_usage",
	} {
		r := scan(t, body)
		_, err := r.Model()
		if err == nil {
			_, _, err = r.Stream()
		}
		var bad *ParamError
		require.ErrorAs(t, err, &bad, body)
		require.Equal(t, want, bad.Param)
		require.Equal(t, want, ProblemOf(err).Param)
	}
}

func TestARequestIsScannedAgainWithoutItsPast(t *testing.T) {
	t.Parallel()
	r := scan(t, `{"model":"a","user":"ann"}`)
	require.NoError(t, r.Scan([]byte(`{"model":"b"}`)))
	require.False(t, r.Has(FieldUser))
}

func TestEveryFieldIsFoundByItsName(t *testing.T) {
	t.Parallel()
	for f := FieldModel; f < fields; f++ {
		require.NotEmpty(t, f.String())
		require.Equal(t, f, fieldOf([]byte(f.String())))
	}
	require.Equal(t, unknown, fieldOf([]byte("no such member")))
}

func TestVariablesComeFromPromptVariablesAndMetadata(t *testing.T) {
	t.Parallel()
	vars, err := scan(t, `{"metadata":{"topic":"cats","lang":"de"},"prompt_variables":{"lang":"fr","count":3,"quote":"\"\u00e9\""}}`).Variables()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"topic": "cats", "lang": "fr", "count": "3", "quote": `"é"`}, vars)
	_, err = scan(t, `{"prompt_variables":[]}`).Variables()
	require.True(t, fault.Is(err, fault.Invalid))
	_, err = scan(t, `{"prompt_variables":{"a":1,"a":2}}`).Variables()
	require.True(t, fault.Is(err, fault.Invalid))
}

// The standard library is the oracle: the scanner accepts what encoding/json accepts, but for what it refuses by name.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":false}`, `{"a":[1,-2.5e+10,true,null,{"b":"\ud83d\ude00"}]}`,
		`{"a":"\u0000\\\"","b":" \u2028"}`, "{\"model\":\"\xff\"}", `{"a":1,"a":2}`, `[1]`, `{"a":1}x`, `{"a":"0123456789abcdef\n"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r Request
		err := r.Scan(body)
		want := map[string]json.RawMessage{}
		oracle := json.Unmarshal(body, &want)
		if err != nil {
			reason := fault.Reason(err)
			if oracle == nil && utf8.Valid(body) && reason == "INVALID_JSON" && len(want) > 0 &&
				!bytes.Contains(body, []byte(strings.Repeat("[", 50))) && len(want) < maxMembers {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		if oracle != nil {
			t.Fatalf("accepted, but the oracle says %v", oracle)
		}
		require.Len(t, r.members, len(want))
		for _, m := range r.members {
			name, ok := text(body[m.key.from-1 : m.key.to+1])
			require.True(t, ok)
			require.Equal(t, string(want[name]), string(m.val.of(body)))
			var s string
			if json.Unmarshal(want[name], &s) == nil && want[name][0] == '"' {
				got, ok := text(m.val.of(body))
				require.True(t, ok)
				require.Equal(t, s, got)
			}
		}
		again := r.AppendBody(nil, Rewrite{Model: "other"})
		if !json.Valid(again) {
			t.Fatalf("the rewritten body is not JSON: %s", again)
		}
		_, _ = r.Chat()
		_, _ = r.Embeddings()
		_, _ = r.Variables()
		_, _, _ = r.Stream()
	})
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "a\"b\\c\n\r\t\x00\x1f", "é\u2028\u2029😀", "\xff\xc0\xaf\xed\xa0\x80", "e\xe2\x80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		require.NoError(t, json.Unmarshal(AppendString(nil, s), &back))
		require.Equal(t, string([]rune(s)), back, "each byte that is not UTF-8 becomes one U+FFFD")
	})
}

func TestParamErrorsAreFaults(t *testing.T) {
	t.Parallel()
	err := param("n", "X", "no %s", "way")
	var f *fault.Error
	require.True(t, errors.As(err, &f))
	require.Equal(t, "no way", fault.Text(err))
	require.Contains(t, err.Error(), "no way")
}

func benchmarkBody(size int) []byte {
	return []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("All work and no play makes Jack a dull boy. ", size/44) + `"}],"stream":true,"temperature":0.7}`)
}

func BenchmarkScan(b *testing.B) {
	for name, size := range map[string]int{"200B": 200, "32KB": 32 << 10, "400KB": 400 << 10} {
		b.Run(name, func(b *testing.B) {
			body := benchmarkBody(size)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var r Request
			for b.Loop() {
				if err := r.Scan(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
