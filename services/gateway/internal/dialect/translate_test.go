package dialect

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
)

func TestAChatBecomesAnEngineRequest(t *testing.T) {
	t.Parallel()
	c, err := scan(t, `{"model":"m","messages":[
		{"role":"developer","content":"Be brief."},
		{"role":"user","name":"ann","content":[{"type":"text","text":"One "},{"type":"text","text":"two\n\u00e9"}]},
		{"role":"assistant","content":"Three","refusal":null,"tool_calls":null},
		{"role":"user","content":""}],
		"max_tokens":9,"max_completion_tokens":7,"temperature":0,"top_p":0.5,"top_k":3,"seed":-4,"stop":["a","b"],
		"frequency_penalty":1,"presence_penalty":-0.5,"n":1,"tools":[],"logprobs":false,"response_format":{"type":"text"},
		"user":"u","metadata":{"a":"b"},"store":true,"logit_bias":{},"modalities":["text"],"tool_choice":"none"}`).Chat()
	require.NoError(t, err)
	require.Equal(t, []Message{{"system", "Be brief."}, {"user", "One two\né"}, {"assistant", "Three"}, {"user", ""}}, c.Messages)
	require.EqualValues(t, 7, c.MaxTokens)
	require.Zero(t, *c.Temperature)
	require.InDelta(t, 0.5, *c.TopP, 1e-6)
	require.EqualValues(t, 3, *c.TopK)
	require.EqualValues(t, -4, *c.Seed)
	require.Equal(t, []string{"a", "b"}, c.Stop)
	require.InDelta(t, 1, c.FrequencyPenalty, 1e-6)
	require.InDelta(t, -0.5, c.PresencePenalty, 1e-6)

	c, err = scan(t, `{"messages":[{"role":"user","content":"x"}],"stop":"end"}`).Chat()
	require.NoError(t, err)
	require.Equal(t, []string{"end"}, c.Stop)
	require.Nil(t, c.Temperature)
}

func TestWhatAnEngineCannotDoIsRefusedByName(t *testing.T) {
	t.Parallel()
	hi := `"messages":[{"role":"user","content":"hi"}]`
	for body, want := range map[string]string{
		`{` + hi + `,"tools":[{"type":"function"}]}`:                                  "tools",
		`{` + hi + `,"tool_choice":"required"}`:                                       "tool_choice",
		`{` + hi + `,"functions":[{}]}`:                                               "functions",
		`{` + hi + `,"function_call":{"name":"f"}}`:                                   "function_call",
		`{` + hi + `,"n":2}`:                                                          "n",
		`{` + hi + `,"n":"2"}`:                                                        "n",
		`{` + hi + `,"logprobs":true}`:                                                "logprobs",
		`{` + hi + `,"top_logprobs":3}`:                                               "top_logprobs",
		`{` + hi + `,"logit_bias":{"1":2}}`:                                           "logit_bias",
		`{` + hi + `,"audio":{"voice":"a"}}`:                                          "audio",
		`{` + hi + `,"modalities":["text","audio"]}`:                                  "modalities",
		`{` + hi + `,"response_format":{"type":"json_schema","json_schema":{}}}`:      "response_format",
		`{` + hi + `,"response_format":{"type":"json_object"}}`:                       "response_format",
		`{` + hi + `,"response_format":"text"}`:                                       "response_format",
		`{` + hi + `,"max_tokens":0}`:                                                 "max_tokens",
		`{` + hi + `,"max_completion_tokens":1.5}`:                                    "max_completion_tokens",
		`{` + hi + `,"temperature":2.1}`:                                              "temperature",
		`{` + hi + `,"temperature":"hot"}`:                                            "temperature",
		`{` + hi + `,"top_p":-1}`:                                                     "top_p",
		`{` + hi + `,"top_k":-1}`:                                                     "top_k",
		`{` + hi + `,"seed":1.5}`:                                                     "seed",
		`{` + hi + `,"presence_penalty":3}`:                                           "presence_penalty",
		`{` + hi + `,"stop":[1]}`:                                                     "stop",
		`{` + hi + `,"stop":""}`:                                                      "stop",
		`{` + hi + `,"stop":7}`:                                                       "stop",
		`{` + hi + `,"stop":["a","b","c","d","e"]}`:                                   "stop",
		`{` + hi + `,"reasoning_effort":"high"}`:                                      "reasoning_effort",
		`{}`:                                                                          "messages",
		`{"messages":"hi"}`:                                                           "messages",
		`{"messages":[]}`:                                                             "messages",
		`{"messages":["hi"]}`:                                                         "messages[0]",
		`{"messages":[{"content":"hi"}]}`:                                             "messages[0].role",
		`{"messages":[{"role":"robot","content":"hi"}]}`:                              "messages[0].role",
		`{"messages":[{"role":"tool","content":"hi"}]}`:                               "messages[0].role",
		`{"messages":[{"role":"user"}]}`:                                              "messages[0].content",
		`{"messages":[{"role":"user","content":null}]}`:                               "messages[0].content",
		`{"messages":[{"role":"user","content":3}]}`:                                  "messages[0].content",
		`{"messages":[{"role":"user","content":"a","content":"b"}]}`:                  "messages[0].content",
		`{"messages":[{"role":"user","content":[3]}]}`:                                "messages[0].content[0]",
		`{"messages":[{"role":"user","content":[{"text":"a"}]}]}`:                     "messages[0].content[0].type",
		`{"messages":[{"role":"user","content":[{"type":"text"}]}]}`:                  "messages[0].content[0].text",
		`{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}`:             "messages[0].content[0]",
		`{"messages":[{"role":"assistant","content":"a","tool_calls":[{"id":"1"}]}]}`: "messages[0].tool_calls",
	} {
		_, err := scan(t, body).Chat()
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", body, err)
		require.Equal(t, want, ProblemOf(err).Param, body)
		require.Contains(t, fault.Text(err), want[:1])
	}
}

func TestABodyForAProviderIsSpliced(t *testing.T) {
	t.Parallel()
	body := `{ "model":"chat", "messages": [ {"role":"user","content":"h\u00e9"} ],"stream":true,
		"stream_options":{"include_usage":false,"include_obfuscation":false},"tools":[{"type":"function"}],"client_request_id":"x",
		"prompt_variables":{"a":"b"},"metadata":{"k":"v"},"unknown\u0020one":[1, 2] }`
	r := scan(t, body)
	got := string(r.AppendBody(nil, Rewrite{Model: `gpt "5"`, ForceUsage: true}))
	require.JSONEq(t, `{"model":"gpt \"5\"","messages":[{"role":"user","content":"hé"}],"stream":true,
		"stream_options":{"include_usage":true,"include_obfuscation":false},"tools":[{"type":"function"}],"metadata":{"k":"v"},"unknown one":[1,2]}`, got)
	require.Contains(t, got, `"messages": [ {"role":"user","content":"h\u00e9"} ]`, "what is not changed passes byte by byte")

	got = string(r.AppendBody(nil, Rewrite{
		Model: "m", Messages: []Message{{"system", "S"}, {"user", "U\n"}},
		Defaults: map[string]string{"temperature": "0.5", "stream": "false", "unknown one": "0", "top_q": `"x"`},
	}))
	require.JSONEq(t, `{"model":"m","messages":[{"role":"system","content":"S"},{"role":"user","content":"U\n"}],"stream":true,
		"stream_options":{"include_usage":false,"include_obfuscation":false},"tools":[{"type":"function"}],
		"unknown one":[1,2],"temperature":0.5,"top_q":"x"}`, got)
	require.True(t, ValidJSON(` {"a":[1]} `))
	require.False(t, ValidJSON(`1,"b":2`))
	require.False(t, ValidJSON(``))
}

func answer() Answer {
	return Answer{
		ID: "chatcmpl-1", Created: 5, Model: "chat", Text: "He said \"é\"\u2028", Finish: FinishLength,
		Usage: meter.FromOpenAI(3, 0, 0, 4, 0, 0),
	}
}

func TestAnAnswerBecomesACompletion(t *testing.T) {
	t.Parallel()
	body := AppendCompletion(nil, answer())
	require.JSONEq(t, `{"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"chat","system_fingerprint":null,
		"choices":[{"index":0,"message":{"role":"assistant","content":"He said \"é\"\u2028","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"length"}],
		"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`, string(body))
	r, err := Read(body, nil)
	require.NoError(t, err)
	require.Equal(t, "He said \"é\"\u2028", string(r.Text))
	require.Equal(t, "length", r.Finish)
	require.Equal(t, answer().Usage, r.Usage)
	require.True(t, r.Counted)
}

func TestAStreamSaysRoleTextFinishAndUsage(t *testing.T) {
	t.Parallel()
	for _, usage := range []bool{true, false} {
		c := NewChunks(answer(), usage)
		stream := c.AppendRole(nil)
		stream = c.AppendDelta(stream, "He ")
		stream = c.AppendDelta(stream, "said\n")
		stream = c.AppendFinish(stream, FinishStop, answer().Usage)
		stream = append(stream, Done...)
		frames := frames(t, stream)
		var texts, kinds []string
		for _, f := range frames {
			if f == "[DONE]" {
				kinds = append(kinds, f)
				continue
			}
			var chunk struct {
				ID, Object string
				Choices    []struct {
					Delta struct {
						Role    string
						Content *string
					}
					FinishReason *string `json:"finish_reason"`
				}
				Usage *struct {
					Total int `json:"total_tokens"`
				}
			}
			require.NoError(t, json.Unmarshal([]byte(f), &chunk))
			require.Equal(t, "chatcmpl-1", chunk.ID)
			require.Equal(t, "chat.completion.chunk", chunk.Object)
			switch {
			case len(chunk.Choices) == 0:
				kinds = append(kinds, "usage")
				require.Equal(t, 7, chunk.Usage.Total)
			case chunk.Choices[0].Delta.Role != "":
				kinds = append(kinds, "role")
			case chunk.Choices[0].FinishReason != nil:
				kinds = append(kinds, *chunk.Choices[0].FinishReason)
			default:
				kinds = append(kinds, "text")
				texts = append(texts, *chunk.Choices[0].Delta.Content)
			}
			require.Equal(t, usage, json.Valid([]byte(f)) && containsUsage(f))
		}
		want := []string{"role", "text", "text", "stop", "[DONE]"}
		if usage {
			want = []string{"role", "text", "text", "stop", "usage", "[DONE]"}
		}
		require.Equal(t, want, kinds)
		require.Equal(t, []string{"He ", "said\n"}, texts)
	}
}

func containsUsage(frame string) bool {
	var m map[string]json.RawMessage
	_ = json.Unmarshal([]byte(frame), &m)
	_, ok := m["usage"]
	return ok
}

func TestEmbeddingsAreFloatsOrBase64(t *testing.T) {
	t.Parallel()
	vectors := [][]float32{{1, -0.5, 3.1415927}, {1e-7, 0, math.MaxFloat32}}
	var list struct {
		Object, Model string
		Data          []struct {
			Index     int
			Embedding json.RawMessage
		}
		Usage struct {
			Prompt int `json:"prompt_tokens"`
			Total  int `json:"total_tokens"`
		}
	}
	require.NoError(t, json.Unmarshal(AppendEmbeddings(nil, "e", vectors, false, meter.FromOpenAI(9, 0, 0, 0, 0, 0)), &list))
	require.Equal(t, "list", list.Object)
	require.Equal(t, 9, list.Usage.Total)
	for i, d := range list.Data {
		var got []float32
		require.NoError(t, json.Unmarshal(d.Embedding, &got))
		require.Equal(t, vectors[i], got)
		require.Equal(t, i, d.Index)
	}
	require.NoError(t, json.Unmarshal(AppendEmbeddings(nil, "e", vectors, true, meter.Usage{}), &list))
	for i, d := range list.Data {
		var text string
		require.NoError(t, json.Unmarshal(d.Embedding, &text))
		raw, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		for j, want := range vectors[i] {
			require.Equal(t, want, math.Float32frombits(binary.LittleEndian.Uint32(raw[4*j:])))
		}
	}
}

func TestEmbeddingsInputsAreTexts(t *testing.T) {
	t.Parallel()
	e, err := scan(t, `{"input":"one"}`).Embeddings()
	require.NoError(t, err)
	require.Equal(t, Embeddings{Inputs: []string{"one"}}, e)
	e, err = scan(t, `{"input":["one","tw\u00f6"],"encoding_format":"base64","dimensions":8}`).Embeddings()
	require.NoError(t, err)
	require.Equal(t, Embeddings{Inputs: []string{"one", "twö"}, Base64: true, Dimensions: 8}, e)
	for body, want := range map[string]string{
		`{}`:                                     "input",
		`{"input":""}`:                           "input",
		`{"input":[]}`:                           "input",
		`{"input":5}`:                            "input",
		`{"input":[1,2]}`:                        "input",
		`{"input":[[1,2]]}`:                      "input",
		`{"input":["a",true]}`:                   "input",
		`{"input":["a",""]}`:                     "input[1]",
		`{"input":"a","encoding_format":"int8"}`: "encoding_format",
		`{"input":"a","dimensions":0}`:           "dimensions",
	} {
		_, err := scan(t, body).Embeddings()
		require.True(t, fault.Is(err, fault.Invalid), body)
		require.Equal(t, want, ProblemOf(err).Param, body)
	}
}

func TestAReadingFindsUsageTextAndErrors(t *testing.T) {
	t.Parallel()
	r, err := Read([]byte(`{"choices":[{"delta":{"content":"a\u00e9"},"finish_reason":null},{"delta":{"content":"b"}}],"usage":null}`), []byte("x"))
	require.NoError(t, err)
	require.Equal(t, "xaé", string(r.Text))
	require.False(t, r.Counted)
	require.Equal(t, 2, r.Choices)
	require.True(t, r.Content)

	r, err = Read([]byte(`{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
		"prompt_tokens_details":{"cached_tokens":60,"audio_tokens":5},"completion_tokens_details":{"reasoning_tokens":20}}}`), nil)
	require.NoError(t, err)
	require.Equal(t, meter.Usage{InputUncached: 35, InputCached: 60, InputAudio: 5, OutputText: 30, OutputReasoning: 20}, r.Usage)
	require.Zero(t, r.Choices)

	r, err = Read([]byte(`{"choices":[{"delta":{"role":"assistant","content":"","tool_calls":[{"index":0}]}}]}`), nil)
	require.NoError(t, err)
	require.True(t, r.Content, "a tool call is content")
	r, err = Read([]byte(`{"choices":[{"delta":{"role":"assistant","content":"","refusal":null}}]}`), nil)
	require.NoError(t, err)
	require.False(t, r.Content, "a role is none")

	for body, message := range map[string]string{
		`{"error":{"message":"too hot","type":"server_error","code":null}}`: "too hot",
		`{"error":"plain"}`: "plain",
		`{"error":{}}`:      "the provider ended the answer with an error",
	} {
		r, err = Read([]byte(body), nil)
		require.NoError(t, err)
		require.True(t, r.Failed)
		require.Equal(t, message, fault.Text(r.Fault("op", fault.Unavailable)))
	}
	r, err = Read([]byte(`{"error":null}`), nil)
	require.NoError(t, err)
	require.False(t, r.Failed)
	for _, body := range []string{``, `[]`, `{"a":`, `{} {}`} {
		_, err = Read([]byte(body), nil)
		require.Error(t, err, body)
	}
}

func TestProblemsAreWrittenForBothClients(t *testing.T) {
	t.Parallel()
	kinds := []fault.Kind{
		fault.Invalid, fault.Unauthenticated, fault.PermissionDenied, fault.NotFound, fault.AlreadyExists, fault.FailedPrecondition, fault.Aborted,
		fault.TooLarge, fault.ResourceExhausted, fault.Canceled, fault.DeadlineExceeded, fault.Unavailable, fault.Unimplemented, fault.Internal, fault.DataLoss,
	}
	for _, kind := range kinds {
		p := ProblemOf(fault.New("op", kind, "what \"happened\""))
		require.Equal(t, fault.HTTPStatus(kind), p.Status)
		var openai struct {
			Error struct {
				Message, Type string
				Param, Code   *string
			}
		}
		require.NoError(t, json.Unmarshal(p.AppendOpenAI(nil), &openai))
		require.Equal(t, `what "happened"`, openai.Error.Message)
		require.NotEmpty(t, openai.Error.Type)
		require.Nil(t, openai.Error.Param)
		var databricks struct {
			Code    string `json:"error_code"`
			Message string
			Error   any
		}
		require.NoError(t, json.Unmarshal(p.AppendDatabricks(nil), &databricks))
		require.NotEmpty(t, databricks.Code)
		require.Equal(t, `what "happened"`, databricks.Message)
		require.Nil(t, databricks.Error)
		require.Len(t, frames(t, p.AppendEvent(nil)), 1)
	}
	s, ms := ProblemOf(fault.New("op", fault.ResourceExhausted, "slow down").WithRetryAfter(1500e6)).RetryAfterHeaders()
	require.Equal(t, "2", s)
	require.Equal(t, "1500", ms)
	s, _ = ProblemOf(fault.New("op", fault.Invalid, "no")).RetryAfterHeaders()
	require.Empty(t, s)
	internal := ProblemOf(fault.Wrap("op", fault.Internal, fault.New("deep", fault.Invalid, "secret"), "something broke"))
	require.Equal(t, "something broke", internal.Message)
}

func TestTheModelsListIsOpenAIs(t *testing.T) {
	t.Parallel()
	require.JSONEq(t, `{"object":"list","data":[{"id":"a","object":"model","created":1,"owned_by":"slipway"},{"id":"b","object":"model","created":2,"owned_by":"slipway"}]}`,
		string(AppendModels(nil, []Model{{"a", 1}, {"b", 2}})))
	require.JSONEq(t, `{"object":"list","data":[]}`, string(AppendModels(nil, nil)))
}
