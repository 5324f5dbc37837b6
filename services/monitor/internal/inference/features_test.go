package inference

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456000, time.UTC)

func prepared(r Record) *Record {
	r.RequestTime, r.RequestID = noon, "id"
	Prepare(&r, DefaultLimits(), noon)
	return &r
}

func ptr[T any](v T) *T { return &v }

func TestFeaturesAreReadFromEveryDialect(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		in   Record
		want Features
		text string
		end  string
	}{
		{
			name: "chat",
			in: Record{
				ModelVersion: "models:/main.demo.bot/3",
				Request:      `{"model":"support","user":"u-1","temperature":0.5,"max_tokens":64,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"},{"role":"user","content":"Wo finde ich meine Rechnung für März?"}],"tools":[{"type":"function"},{"type":"function"}],"response_format":{"type":"json_object"}}`,
				Response:     `{"choices":[{"index":0,"message":{"role":"assistant","content":"Die Rechnung steht in Ihrem Konto."},"finish_reason":"stop"}],"usage":{"prompt_tokens":40,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":32}}}`,
			},
			want: Features{
				ModelName: "main.demo.bot", RequestedModel: "support", EndUser: "u-1", ResponseFormat: "json_object", Lang: "de", ResponseLang: "de",
				PromptChars: 37, ResponseChars: 34, Messages: 4, Tools: 2, MaxTokens: 64, Temperature: ptr(0.5), CachedTokens: 32,
			},
			text: "Die Rechnung steht in Ihrem Konto.", end: "stop",
		},
		{
			name: "chat with parts and tool calls",
			in: Record{
				Request:  `{"messages":[{"role":"user","content":[{"type":"text","text":"What is on this picture?"},{"type":"image_url","image_url":{"url":"data:…"}},{"type":"text","text":"And who made it?"}]}],"max_completion_tokens":9}`,
				Response: `{"choices":[{"message":{"content":null,"tool_calls":[{"id":"a"},{"id":"b"}]},"finish_reason":"tool_calls"}]}`,
			},
			want: Features{Lang: "en", PromptChars: 41, Messages: 1, ToolCalls: 2, MaxTokens: 9},
			end:  "tool_calls",
		},
		{
			name: "several choices",
			in:   Record{Request: `{"messages":[]}`, Response: `{"choices":[{"message":{"content":"one"}},{"message":{"content":"two"}}]}`},
			want: Features{ResponseChars: 7, ResponseLang: "en"}, text: "one\ntwo",
		},
		{
			name: "a refusal that the provider marks",
			in:   Record{Request: `{"messages":[{"role":"user","content":"x"}]}`, Response: `{"choices":[{"message":{"content":null,"refusal":"No."},"finish_reason":"stop"}]}`},
			want: Features{Lang: "und", PromptChars: 1, Messages: 1, ResponseChars: 3, ResponseLang: "und", Refusal: true}, text: "No.", end: "stop",
		},
		{
			name: "completions",
			in:   Record{Request: `{"prompt":["Once upon a time","there was a king"]}`, Response: `{"choices":[{"text":" and he was very old","finish_reason":"length"}]}`},
			want: Features{Lang: "en", PromptChars: 33, ResponseChars: 20, ResponseLang: "en"}, text: " and he was very old", end: "length",
		},
		{
			name: "embeddings of tokens",
			in:   Record{Task: "embeddings", Request: `{"input":[[1,2,3],[4]],"model":"e"}`, Response: `{"data":[{"embedding":[0.1]}]}`},
			want: Features{RequestedModel: "e"},
		},
		{
			name: "embeddings of texts",
			in:   Record{Request: `{"input":["¿Dónde está mi pedido?","Quiero devolver los zapatos"]}`},
			want: Features{Lang: "es", PromptChars: 50},
		},
		{
			name: "the responses dialect",
			in: Record{
				Request:  `{"input":[{"role":"developer","content":"x"},{"role":"user","content":[{"type":"input_text","text":"Explain the difference, please"}]}],"max_output_tokens":5}`,
				Response: `{"output":[{"type":"function_call"},{"type":"message","content":[{"type":"output_text","text":"The first is older than the second."}]}]}`,
			},
			want: Features{Lang: "en", PromptChars: 30, Messages: 2, MaxTokens: 5, ToolCalls: 1, ResponseChars: 35, ResponseLang: "en"}, text: "The first is older than the second.",
		},
		{
			name: "the messages dialect",
			in: Record{
				Request:  `{"system":"s","messages":[{"role":"user","content":"Which of the two is better?"}]}`,
				Response: `{"content":[{"type":"text","text":"The second."},{"type":"tool_use"}],"stop_reason":"end_turn","usage":{"cache_read_input_tokens":7}}`,
			},
			want: Features{Lang: "en", PromptChars: 27, Messages: 1, ToolCalls: 1, CachedTokens: 7, ResponseChars: 11, ResponseLang: "en"}, text: "The second.", end: "end_turn",
		},
		{
			name: "a stream whose text came put together",
			in: Record{
				Stream: true, OutputTokens: 11, TTFT: 100_000, ExecutionDuration: 600_000,
				Request: `{"messages":[{"role":"user","content":"Bonjour, où est ma commande ?"}]}`, Response: "Votre commande est dans le train.", ResponseText: "Votre commande est dans le train.",
			},
			want: Features{Lang: "fr", ResponseLang: "fr", PromptChars: 29, Messages: 1, ResponseChars: 33, TPOT: 50_000}, text: "Votre commande est dans le train.",
		},
		{
			name: "a stream as JSON string content",
			in:   Record{Request: `{"messages":[]}`, Response: `"Il treno parte alle \"nove\" dal binario due."`},
			want: Features{ResponseLang: "it", ResponseChars: 43}, text: `Il treno parte alle "nove" dal binario due.`,
		},
		{name: "no bodies", in: Record{StatusCode: 403}, want: Features{}},
		{name: "a body that is no JSON", in: Record{Request: "hello", Response: "<html>502</html>"}, want: Features{ResponseChars: 16, ResponseLang: "und"}, text: "<html>502</html>"},
		{name: "a body that ends early", in: Record{Request: `{"messages":[{"role":"user","content":"Hi`}, want: Features{}},
		{
			name: "a body of the wrong types",
			in:   Record{Request: `{"model":[1],"messages":{"role":"user"},"user":{},"temperature":"hot","max_tokens":"all","tools":7,"response_format":"json"}`, Response: `{"choices":"none","usage":[],"content":5,"output":null}`},
			want: Features{},
		},
		{name: "numbers beyond reason", in: Record{Request: `{"max_tokens":1e300,"temperature":1e999,"input":"x"}`}, want: Features{Lang: "und", PromptChars: 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := prepared(c.in)
			if c.want.Lang != "" {
				require.Equal(t, c.want.Lang == "und", got.LangConfidence < 0.1, "confidence %v", got.LangConfidence)
			}
			c.want.LangConfidence = got.LangConfidence
			require.Empty(t, cmp.Diff(c.want, got.Features))
			require.Equal(t, c.text, got.ResponseText)
			require.Equal(t, c.end, got.FinishReason)
			require.Empty(t, got.LoggingErrorCodes)
		})
	}
}

func TestRefusalsAreKnownByTheirOpening(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"I'm sorry, but I can't help with that.":                                                                       true,
		"I’m sorry, but I can’t assist with that request.":                                                             true,
		"Es tut mir leid, aber ich kann dabei nicht helfen.":                                                           true,
		"很抱歉，我无法回答这个问题。":                                                                                               true,
		"Je suis désolé, mais je ne peux pas répondre.":                                                                true,
		"Извините, но я не могу с этим помочь.":                                                                        true,
		"I'm sorry to hear that your parcel is late. You can ask for a refund.":                                        false,
		"You can do this yourself. " + strings.Repeat("More about it. ", 20) + "I'm sorry, but I can't do it for you.": false,
		"Sorry seems to be the hardest word.":                                                                          false,
		"":                                                                                                             false,
	} {
		require.Equal(t, want, refuses(text), text)
	}
	require.True(t, prepared(Record{FinishReason: "content_filter"}).Refusal)
}

func TestWhatTheTableCannotHoldIsStoredSanitisedAndSaysSo(t *testing.T) {
	t.Parallel()
	limits := Limits{Body: 100, Field: 30}
	r := &Record{
		Source: "gw", Epoch: 2, Seq: 77, Endpoint: "bad\xff", Requester: strings.Repeat("é", 30),
		Request: `{"messages":"` + strings.Repeat("ü", 60) + `"}`, Response: "ok\xc3\x28", ResponseText: strings.Repeat("x", 101),
		LoggingErrorCodes: []string{CodeNotCaptured, "\xfe"}, RequestBytes: 5000,
	}
	Prepare(r, limits, noon)
	require.Equal(t, "gw/2/77", r.RequestID)
	require.Equal(t, noon, r.RequestTime)
	require.Equal(t, "bad\uFFFD", r.Endpoint)
	require.Equal(t, strings.Repeat("é", 15), r.Requester)
	require.LessOrEqual(t, len(r.Request), 100)
	require.True(t, utf8.ValidString(r.Request))
	require.EqualValues(t, 5000, r.RequestBytes)
	require.EqualValues(t, 4, r.ResponseBytes)
	require.Equal(t, "ok\uFFFD(", r.Response)
	require.Len(t, r.ResponseText, 100)
	require.ElementsMatch(t, []string{CodeNotCaptured, "\uFFFD", CodeInvalidUTF8, CodeFieldTooLong, CodeRequestTooLarge, CodeResponseTooLarge, CodeInvalidTime, CodeMissingID}, r.LoggingErrorCodes)

	again := *r
	Prepare(&again, limits, noon.Add(time.Hour))
	require.Empty(t, cmp.Diff(*r, again), "preparing twice changes nothing")
}

func FuzzPrepare(f *testing.F) {
	f.Add(`{"messages":[{"role":"user","content":"hi"}]}`, `{"choices":[{"message":{"content":"x"}}]}`, "")
	f.Add(`[[[[{"a":`, "\xff\xfe", "\x00")
	f.Add(`{"input":[{"role":"user"}]}`, `{"output":[{"content":[{"text":"\ud800"}]}]}`, "e")
	f.Fuzz(func(t *testing.T, request, response, endpoint string) {
		r := &Record{Request: request, Response: response, Endpoint: endpoint, Source: "s", Epoch: 1, Seq: 1}
		Prepare(r, Limits{Body: 1 << 10, Field: 64}, noon)
		for _, s := range []string{r.Request, r.Response, r.ResponseText, r.Endpoint, r.RequestedModel, r.EndUser, r.FinishReason, r.ResponseFormat} {
			if !utf8.ValidString(s) {
				t.Fatalf("invalid text %q", s)
			}
		}
	})
}
