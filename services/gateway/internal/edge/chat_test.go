package edge_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
)

func TestAChatIsAnsweredAndLogged(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := h.post("/v1/chat/completions", asking(`"max_tokens":9,"user":"u1"`), "X-Client-Request-Id", "mine", "X-Slipway-Session", "s1")
	require.Equal(t, http.StatusOK, r.status, r.body)
	answer := r.json(t)
	require.Equal(t, "chat.completion", answer["object"])
	require.Equal(t, "chat", answer["model"])
	require.Equal(t, "Hello world", path(answer, "choices", 0, "message", "content"))
	require.Equal(t, "stop", path(answer, "choices", 0, "finish_reason"))
	require.InDelta(t, 7, path(answer, "usage", "total_tokens"), 0)
	id := r.header.Get("X-Request-Id")
	require.Equal(t, "chatcmpl-"+id, answer["id"])
	require.Len(t, id, 36)
	require.Equal(t, "m", r.header.Get("X-Slipway-Served-Entity"))
	require.Equal(t, "m", r.header.Get("Served-Model-Name"))
	require.Equal(t, "60", r.header.Get("X-Ratelimit-Limit-Requests"))
	require.Equal(t, "59", r.header.Get("X-Ratelimit-Remaining-Requests"))
	require.Equal(t, "1s", r.header.Get("X-Ratelimit-Reset-Requests"))
	require.NotEmpty(t, r.header.Get("X-Slipway-Overhead-Us"))
	require.EqualValues(t, 9, h.engine.last().GetMaxTokens())
	require.Equal(t, id, h.engine.last().GetRequestId())

	row := h.row(r)
	require.Equal(t, "mine", row.GetClientRequestId())
	require.Equal(t, "s1", row.GetSessionId())
	require.Equal(t, "ann", row.GetRequester())
	require.Equal(t, "chat", row.GetEndpoint())
	require.Equal(t, "m", row.GetServedEntity())
	require.Equal(t, "models:/c.s.m/1", row.GetModelVersion())
	require.Equal(t, "chat", row.GetTask())
	require.EqualValues(t, 200, row.GetStatusCode())
	require.EqualValues(t, 7, row.GetConfigRevision())
	require.GreaterOrEqual(t, row.GetTrafficBucket(), int32(0))
	require.EqualValues(t, 5, row.GetInputTokens())
	require.EqualValues(t, 2, row.GetOutputTokens())
	require.False(t, row.GetUsageEstimated())
	require.Equal(t, "stop", row.GetFinishReason())
	require.Equal(t, "Hello world", row.GetResponseText())
	require.JSONEq(t, r.body, string(row.GetResponse()))
	require.Equal(t, asking(`"max_tokens":9,"user":"u1"`), string(row.GetRequest()))
	require.EqualValues(t, len(row.GetRequest()), row.GetRequestBytes())
	require.Positive(t, row.GetExecutionDurationUs())
	require.Positive(t, row.GetTtftUs())
	require.EqualValues(t, 11, row.GetQueueUs())
	require.NotEmpty(t, row.GetTraceId())
	require.NotNil(t, row.GetRequestTime())
}

func TestAStreamIsPassedOnPieceByPiece(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, usage := range []bool{false, true} {
		r := h.post("/v1/chat/completions", asking(fmt.Sprintf(`"stream":true,"stream_options":{"include_usage":%t}`, usage)))
		require.Equal(t, http.StatusOK, r.status)
		require.Equal(t, "text/event-stream; charset=utf-8", r.header.Get("Content-Type"))
		text, last := streamed(t, r.body)
		require.Equal(t, "Hello world", text)
		require.Equal(t, "[DONE]", last)
		require.Equal(t, usage, strings.Contains(r.body, `"usage":{"prompt_tokens":5`))
		row := h.row(r)
		require.True(t, row.GetStream())
		require.EqualValues(t, 2, row.GetOutputTokens(), "counted, whether asked for or not")
		require.Equal(t, "Hello world", row.GetResponseText())
		require.Equal(t, `"Hello world"`, string(row.GetResponse()))
		require.EqualValues(t, -1, row.GetTrafficBucket(), "no unit")
		require.Less(t, row.GetResponseBytes(), int64(len(r.body))+1)
	}
}

func TestEmbeddingsComeInBothForms(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.engine.embed = func(r *gpuruntimev1.EmbedRequest) (*gpuruntimev1.EmbedResponse, error) {
		resp := &gpuruntimev1.EmbedResponse{Usage: &gpuruntimev1.Usage{InputTokens: 4}}
		for i := range r.GetInputs() {
			resp.Embeddings = append(resp.Embeddings, &gpuruntimev1.Embedding{Values: []float32{float32(i), 0.5, -1}})
		}
		return resp, nil
	}
	r := h.post("/v1/embeddings", `{"model":"chat","input":["a","b"]}`)
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, []any{1.0, 0.5, -1.0}, path(r.json(t), "data", 1, "embedding"))
	require.InDelta(t, 4, path(r.json(t), "usage", "prompt_tokens"), 0)
	row := h.row(r)
	require.Equal(t, "embeddings", row.GetTask())
	require.EqualValues(t, 4, row.GetInputTokens())

	r = h.post("/v1/embeddings", `{"model":"chat","input":"a","encoding_format":"base64"}`)
	raw, err := base64.StdEncoding.DecodeString(path(r.json(t), "data", 0, "embedding").(string))
	require.NoError(t, err)
	require.Len(t, raw, 12)
	r = h.post("/v1/embeddings", `{"model":"chat","input":"a","dimensions":2}`)
	require.Equal(t, http.StatusBadRequest, r.status)
	require.Equal(t, "dimensions", path(r.json(t), "error", "param"))

	h.engine.embed = func(*gpuruntimev1.EmbedRequest) (*gpuruntimev1.EmbedResponse, error) {
		return &gpuruntimev1.EmbedResponse{Embeddings: []*gpuruntimev1.Embedding{{Values: []float32{float32(math.NaN())}}}}, nil
	}
	r = h.post("/v1/embeddings", `{"model":"chat","input":"a"}`)
	require.Equal(t, http.StatusInternalServerError, r.status)
	require.EqualValues(t, 500, h.row(r).GetStatusCode())
}

func TestOnlyWhatACallerMayQueryIsListed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.route(2, endpoint("chat", local("m", 100, "i1")), endpoint("hidden", local("m", 100, "i1")), endpoint("zoo", local("m", 100, "i1")))
	h.guard.refused.Store("hidden", fault.New("guard", fault.PermissionDenied, "no"))
	r := h.get("/v1/models")
	require.Equal(t, http.StatusOK, r.status)
	require.Len(t, r.json(t)["data"], 2)
	require.Equal(t, "chat", path(r.json(t), "data", 0, "id"))
	require.Equal(t, "zoo", path(r.json(t), "data", 1, "id"))
	require.Positive(t, path(r.json(t), "data", 0, "created"))
	require.Equal(t, "zoo", h.get("/v1/models/zoo").json(t)["id"])
	hidden, none := h.get("/v1/models/hidden"), h.get("/v1/models/none")
	require.Equal(t, http.StatusNotFound, hidden.status)
	require.Equal(t, strings.ReplaceAll(hidden.body, "hidden", "none"), none.body, "nothing tells them apart")
	require.Len(t, h.get("/serving-endpoints/models").json(t)["data"], 2)
	h.guard.refused.Store("zoo", fault.New("guard", fault.Unavailable, "the registry is away"))
	require.Equal(t, http.StatusServiceUnavailable, h.get("/v1/models").status)
	require.Equal(t, http.StatusUnauthorized, h.get("/v1/models", "Authorization", "").status)
	require.Empty(t, h.rows(), "a list is no inference")
}

func TestDatabricksPathsAnswerAlike(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.route(2, endpoint("chat", local("m", 100, "i1"), local("other", 0, "i2")))
	noModel := `{"messages":[{"role":"user","content":"Say hello"}],"client_request_id":"from the body"}`
	for _, to := range []string{
		"/serving-endpoints/chat/invocations", "/serving-endpoints/chat/served-models/other/invocations",
		"/serving-endpoints/chat/chat/completions", "/serving-endpoints/chat/v1/chat/completions",
	} {
		r := h.post(to, noModel)
		require.Equal(t, http.StatusOK, r.status, "%s: %s", to, r.body)
		require.Equal(t, "Hello world", path(r.json(t), "choices", 0, "message", "content"))
		require.Equal(t, "from the body", h.row(r).GetClientRequestId())
		want := "m"
		if strings.Contains(to, "other") {
			want = "other"
		}
		require.Equal(t, want, r.header.Get("Served-Model-Name"))
	}
	require.Equal(t, http.StatusOK, h.post("/serving-endpoints/chat/completions", ask).status)

	// Databricks' client takes an "error" member for something else.
	r := h.post("/serving-endpoints/chat/invocations", `{"inputs":[1]}`)
	require.Equal(t, http.StatusBadRequest, r.status)
	require.Equal(t, "INVALID_PARAMETER_VALUE", r.json(t)["error_code"])
	require.Nil(t, r.json(t)["error"])
	require.EqualValues(t, 400, h.row(r).GetStatusCode())
	r = h.post("/serving-endpoints/none/invocations", noModel)
	require.Equal(t, "RESOURCE_DOES_NOT_EXIST", r.json(t)["error_code"])
	r = h.post("/serving-endpoints/chat/served-models/none/invocations", noModel)
	require.Equal(t, http.StatusNotFound, r.status)
}

func TestTrafficIsSplitAndSticky(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.route(2, endpoint("chat", local("a", 90, "i1"), local("b", 10, "i2")))
	got := map[string]int{}
	for i := range 200 {
		got[h.post("/v1/chat/completions", asking(fmt.Sprintf(`"user":"u%d"`, i))).header.Get("X-Slipway-Served-Entity")]++
	}
	require.InDelta(t, 20, got["b"], 5*math.Sqrt(200*0.09))
	first := h.post("/v1/chat/completions", asking(`"user":"u1"`)).header.Get("X-Slipway-Served-Entity")
	bySession := h.post("/v1/chat/completions", ask, "X-Slipway-Session", "s").header.Get("X-Slipway-Served-Entity")
	for range 10 {
		require.Equal(t, first, h.post("/v1/chat/completions", asking(`"user":"u1"`)).header.Get("X-Slipway-Served-Entity"))
		require.Equal(t, bySession, h.post("/v1/chat/completions", ask, "X-Slipway-Session", "s").header.Get("X-Slipway-Served-Entity"))
	}
	require.Equal(t, "b", h.post("/v1/chat/completions", ask, "X-Slipway-Served-Entity", "b").header.Get("X-Slipway-Served-Entity"))
	byEntity := map[string]bool{}
	for i := range 200 { // no unit: each request is its own
		byEntity[h.post("/v1/chat/completions", ask).header.Get("X-Slipway-Served-Entity")] = true
		if i > 20 && len(byEntity) == 2 {
			break
		}
	}
	require.Len(t, byEntity, 2)
}

func TestAPromptIsRenderedBeforeTheModelReads(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	bound := local("p", 100, "i1")
	bound.PromptVersion = "prompts:/c.s.p/2"
	h.route(2, endpoint("chat", bound))
	var asked *servingv1.RenderPromptRequest
	h.serving.render = func(r *servingv1.RenderPromptRequest) (*servingv1.RenderPromptResponse, error) {
		asked = r
		if r.GetVariables()["topic"] == "" {
			return nil, fault.New("serving", fault.Invalid, "the variable topic has no value")
		}
		return &servingv1.RenderPromptResponse{
			Messages:      []*servingv1.ChatMessage{{Role: "system", Content: "About " + r.GetVariables()["topic"]}, {Role: "user", Content: "Q"}},
			Parameters:    map[string]string{"temperature": "0.25", "max_tokens": "3"},
			PromptVersion: "prompts:/c.s.p/2",
		}, nil
	}
	r := h.post("/v1/chat/completions", asking(`"prompt_variables":{"topic":"cats"},"metadata":{"lang":"de"},"max_tokens":8`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, map[string]string{"topic": "cats", "lang": "de"}, asked.GetVariables())
	require.Equal(t, "Say hello", asked.GetMessages()[0].GetContent())
	require.Equal(t, "p", asked.GetServedEntity())
	sent := h.engine.last()
	require.Equal(t, "About cats", sent.GetMessages()[0].GetContent())
	require.Len(t, sent.GetMessages(), 2)
	require.InDelta(t, 0.25, sent.GetSampling().GetTemperature(), 1e-6, "the prompt's parameter")
	require.EqualValues(t, 8, sent.GetMaxTokens(), "the request's own wins")
	require.Equal(t, "prompts:/c.s.p/2", h.row(r).GetPromptVersion())

	r = h.post("/v1/chat/completions", ask)
	require.Equal(t, http.StatusBadRequest, r.status)
	require.Contains(t, r.body, "topic")
	require.EqualValues(t, 400, h.row(r).GetStatusCode())
	r = h.post("/v1/embeddings", `{"model":"chat","input":"a"}`)
	require.Equal(t, http.StatusBadRequest, r.status)

	// The same with a provider behind the prompt.
	bound = external("p", "")
	bound.PromptVersion = "prompts:/c.s.p/2"
	h.route(3, endpoint("chat", bound))
	h.provider.answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"choices":[{"message":{"content":"meow"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
	})
	r = h.post("/v1/chat/completions", asking(`"prompt_variables":{"topic":"cats"}`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	body, _ := h.provider.last(t)
	var sentBody map[string]any
	require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(body, "/v1/chat/completions ")), &sentBody))
	require.Equal(t, "About cats", path(sentBody, "messages", 0, "content"))
	require.Equal(t, "gpt-x", sentBody["model"])
	require.NotContains(t, sentBody, "prompt_variables")
	require.InDelta(t, 0.25, sentBody["temperature"], 0)
}
