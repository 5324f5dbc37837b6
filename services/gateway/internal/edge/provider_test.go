package edge_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/gateway/internal/edge"
)

// outside is a house whose endpoint is a provider's model.
func outside(t *testing.T, options ...option) *house {
	t.Helper()
	h := newHouse(t, options...)
	h.route(2, endpoint("chat", external("e", "")))
	return h
}

func chunk(text string) string {
	return fmt.Sprintf(`{"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}],"usage":null}`, text)
}

const (
	roleChunk   = `{"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`
	finishChunk = `{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	usageChunk  = `{"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":3}}}`
	whole       = `{ "id":"x", "object":"chat.completion", "model":"gpt-x-2026", "choices":[{"index":0,"message":{"role":"assistant","content":"Hi \u00e9"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4} }`
)

func TestAProvidersAnswerPassesByteByByte(t *testing.T) {
	t.Parallel()
	h := outside(t)
	h.provider.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, whole) })
	r := h.post("/v1/chat/completions", asking(`"tools":[{"type":"function"}],"x_unknown":1,"n":2`), "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, whole, r.body)
	body, head := h.provider.last(t)
	require.Equal(t, `/v1/chat/completions {"model":"gpt-x","messages":[{"role":"user","content":"Say hello"}],"tools":[{"type":"function"}],"x_unknown":1,"n":2}`, body)
	require.Equal(t, "Bearer "+providerKey, head.Get("Authorization"))
	require.Equal(t, r.header.Get("X-Request-Id"), head.Get("X-Request-Id"))
	require.True(t, strings.HasPrefix(head.Get("Traceparent"), "00-0af7651916cd43dd8448eb211c80319c-"))
	row := h.row(r)
	require.Equal(t, "gpt-x", row.GetModelVersion())
	require.Equal(t, "Hi é", row.GetResponseText())
	require.EqualValues(t, 9, row.GetInputTokens())
	require.EqualValues(t, 4, row.GetOutputTokens())
	require.Equal(t, "stop", row.GetFinishReason())
	require.Equal(t, whole, string(row.GetResponse()))
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", row.GetTraceId())

	h.provider.answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"object":"list","data":[{"embedding":"AAAA"}],"usage":{"prompt_tokens":2,"total_tokens":2}}`)
	})
	r = h.post("/v1/embeddings", `{"model":"chat","input":[1,2,3],"encoding_format":"base64"}`)
	require.Equal(t, http.StatusOK, r.status)
	body, _ = h.provider.last(t)
	require.Equal(t, `/v1/embeddings {"model":"gpt-x","input":[1,2,3],"encoding_format":"base64"}`, body)
	require.EqualValues(t, 2, h.row(r).GetInputTokens())
	require.Zero(t, h.row(r).GetOutputTokens())
}

func TestAStreamIsMeteredWhateverItsClientAsked(t *testing.T) {
	t.Parallel()
	h := outside(t)
	h.provider.answers(func(w http.ResponseWriter, _ *http.Request) {
		frames(w, roleChunk, chunk("Hel"), chunk("lo"), finishChunk, usageChunk, "[DONE]")
	})
	for members, asked := range map[string]bool{
		`"stream":true`: false,
		`"stream":true,"stream_options":{"include_usage":false}`:                           false,
		`"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":true}`: true,
	} {
		r := h.post("/v1/chat/completions", asking(members))
		require.Equal(t, http.StatusOK, r.status)
		text, last := streamed(t, r.body)
		require.Equal(t, "Hello", text)
		require.Equal(t, "[DONE]", last)
		require.Equal(t, asked, strings.Contains(r.body, `"prompt_tokens"`), "the gateway's own question is not the client's answer")
		body, head := h.provider.last(t)
		require.Contains(t, body, `"include_usage":true`)
		require.Equal(t, asked, strings.Contains(body, "include_obfuscation"))
		require.Equal(t, "text/event-stream", head.Get("Accept"))
		row := h.row(r)
		require.EqualValues(t, 9, row.GetInputTokens())
		require.EqualValues(t, 4, row.GetOutputTokens())
		require.False(t, row.GetUsageEstimated())
		require.Equal(t, "Hello", row.GetResponseText())
		require.Equal(t, "stop", row.GetFinishReason())
		require.Positive(t, row.GetTtftUs())
	}
}

func TestAnAnswerThatNobodyCountedIsEstimated(t *testing.T) {
	t.Parallel()
	h := outside(t)
	h.provider.answers(func(w http.ResponseWriter, _ *http.Request) {
		frames(w, roleChunk, chunk("12345678"), finishChunk, "[DONE]")
	})
	row := h.row(h.post("/v1/chat/completions", asking(`"stream":true`)))
	require.True(t, row.GetUsageEstimated())
	require.EqualValues(t, 2, row.GetOutputTokens())
	require.Positive(t, row.GetInputTokens())
	h.provider.answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"12345678"},"finish_reason":"length"}]}`)
	})
	row = h.row(h.post("/v1/chat/completions", ask))
	require.True(t, row.GetUsageEstimated())
	require.EqualValues(t, 2, row.GetOutputTokens())
}

func TestStreamsOfOddProvidersAreUnderstood(t *testing.T) {
	t.Parallel()
	h := outside(t)
	for name, stream := range map[string]string{
		"CRLF":                     "data: " + chunk("Hello") + "\r\n\r\ndata: " + finishChunk + "\r\n\r\ndata: [DONE]\r\n\r\n",
		"comments and event names": ": ping\n\nevent: x\ndata: " + chunk("Hello") + "\n\n: ping\n\ndata: [DONE]\n\n",
		"no space":                 "data:" + chunk("Hello") + "\n\ndata:[DONE]\n\n",
		"no DONE":                  "data: " + chunk("Hello") + "\n\ndata: " + finishChunk + "\n\n",
		"no last empty line":       "data: " + chunk("Hello") + "\n\ndata: " + finishChunk,
		"DONE without its end":     "data: " + chunk("Hello") + "\n\ndata: [DONE]",
		"filter results first":     `data: {"choices":[],"prompt_filter_results":[]}` + "\n\ndata: " + chunk("Hello") + "\n\ndata: [DONE]\n\n",
		"usage with the finish":    "data: " + chunk("Hello") + "\n\n" + `data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}` + "\n\ndata: [DONE]\n\n",
	} {
		h.provider.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, b := range []byte(stream) {
				_, _ = w.Write([]byte{b})
				if b == '\n' || b == '\r' || b == 'e' {
					w.(http.Flusher).Flush()
				}
			}
		})
		r := h.post("/v1/chat/completions", asking(`"stream":true`))
		require.Equal(t, http.StatusOK, r.status, "%s: %s", name, r.body)
		text, last := streamed(t, strings.ReplaceAll(strings.ReplaceAll(r.body, "\r\n", "\n"), "data:{", "data: {"))
		require.Equal(t, "Hello", text, name)
		require.Equal(t, "[DONE]", last, name)
		require.EqualValues(t, 200, h.row(r).GetStatusCode())
		require.Empty(t, h.row(r).GetErrorReason())
	}
}

func TestAProvidersRefusalIsMapped(t *testing.T) {
	t.Parallel()
	h := outside(t)
	theirs := `{"error":{"message":"This model's maximum context length is 8192","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`
	for _, c := range []struct {
		name       string
		status     int
		body       string
		header     []string
		want       int
		verbatim   bool
		reason     string
		retryAfter string
	}{
		{name: "the caller's mistake", status: 400, body: theirs, want: 400, verbatim: true, reason: "PROVIDER_REFUSED"},
		{name: "unprocessable", status: 422, body: theirs, want: 422, verbatim: true, reason: "PROVIDER_REFUSED"},
		{name: "an unknown model there", status: 404, body: theirs, want: 404, verbatim: true, reason: "PROVIDER_REFUSED"},
		{name: "a mistake without JSON", status: 400, body: "<html>", want: 400, reason: "PROVIDER_REFUSED"},
		{name: "our key", status: 401, body: `{"error":{"message":"Incorrect API key provided: ` + providerKey + `"}}`, want: 503, reason: "PROVIDER_CREDENTIALS", retryAfter: "1"},
		{name: "our permission", status: 403, body: `{"error":{"message":"` + providerKey + `"}}`, want: 503, reason: "PROVIDER_CREDENTIALS", retryAfter: "1"},
		{name: "too many", status: 429, body: `{"error":{"message":"slow down","code":"rate_limit_exceeded"}}`, header: []string{"Retry-After", "7"}, want: 429, reason: "PROVIDER_RATE_LIMITED", retryAfter: "7"},
		{name: "too many, in ms", status: 429, body: `{}`, header: []string{"Retry-After-Ms", "2100"}, want: 429, reason: "PROVIDER_RATE_LIMITED", retryAfter: "3"},
		{name: "broken", status: 500, body: `{"error":"oops"}`, want: 503, reason: "PROVIDER_ERROR", retryAfter: "1"},
		{name: "overloaded", status: 529, body: ``, want: 503, reason: "PROVIDER_ERROR", retryAfter: "1"},
		{name: "a late gateway", status: 504, body: ``, want: 504, reason: "PROVIDER_TIMEOUT"},
		{name: "elsewhere", status: 302, body: ``, want: 503, reason: "PROVIDER_ERROR", retryAfter: "1"},
	} {
		h.provider.answers(func(w http.ResponseWriter, _ *http.Request) {
			if c.header != nil {
				w.Header().Set(c.header[0], c.header[1])
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		for _, members := range []string{`"stream":false`, `"stream":true`} {
			r := h.post("/v1/chat/completions", asking(members))
			require.Equal(t, c.want, r.status, "%s: %s", c.name, r.body)
			require.NotEmpty(t, path(r.json(t), "error", "message"), c.name)
			require.NotContains(t, r.body, providerKey)
			require.Equal(t, c.retryAfter, r.header.Get("Retry-After"), c.name)
			if c.verbatim {
				require.Equal(t, c.body, r.body)
			}
			row := h.row(r)
			require.EqualValues(t, c.want, row.GetStatusCode())
			require.Equal(t, c.reason, row.GetErrorReason())
			require.Zero(t, row.GetInputTokens(), "a refused request costs nothing")
			require.NotContains(t, row.String(), providerKey)
		}
	}
	h.provider.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400); _, _ = io.WriteString(w, theirs) })
	r := h.post("/serving-endpoints/chat/invocations", ask)
	require.Equal(t, http.StatusBadRequest, r.status)
	require.Contains(t, r.json(t)["message"], "maximum context length")
}

func TestAnErrorInsideASuccessIsAnError(t *testing.T) {
	t.Parallel()
	h := outside(t)
	failure := `{"error":{"message":"overloaded","type":"server_error"}}`
	jsonType := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		}
	}
	proceed := make(chan struct{}) // the caller has heard the beginning
	half := func(rest ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			frames(w, roleChunk, chunk("Hel"))
			<-proceed
			frames(w, rest...)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		stream bool
		heard  string // the text before the failure
	}{
		"an object":               {answer: jsonType(failure)},
		"an object for a stream":  {answer: jsonType(failure), stream: true},
		"no stream":               {answer: jsonType(whole), stream: true},
		"no JSON":                 {answer: jsonType("hello")},
		"half a JSON":             {answer: jsonType(`{"choices":[`)},
		"before content":          {answer: func(w http.ResponseWriter, _ *http.Request) { frames(w, roleChunk, failure) }, stream: true},
		"an end before content":   {answer: func(w http.ResponseWriter, _ *http.Request) { frames(w, roleChunk) }, stream: true},
		"after content":           {answer: half(failure, "[DONE]"), stream: true, heard: "Hel"},
		"an end after content":    {answer: half(), stream: true, heard: "Hel"},
		"a frame that is no JSON": {answer: half("{"), stream: true, heard: "Hel"},
		"a connection that breaks": {answer: func(w http.ResponseWriter, r *http.Request) {
			half()(w, r)
			panic(http.ErrAbortHandler)
		}, stream: true, heard: "Hel"},
		"a connection that is lost": {answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, stream: true},
		"a body that breaks": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, whole)
			panic(http.ErrAbortHandler)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h.provider.answers(c.answer)
			resp, err := http.DefaultClient.Do(h.request(http.MethodPost, "/v1/chat/completions", asking(fmt.Sprintf(`"stream":%t`, c.stream))))
			require.NoError(t, err)
			defer func() { _ = resp.Body.Close() }()
			if c.heard != "" {
				proceed <- struct{}{}
			}
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			r := reply{resp.StatusCode, resp.Header, string(body)}
			row := h.row(r)
			require.NotEmpty(t, row.GetErrorReason())
			require.NotContains(t, r.body, "[DONE]")
			if c.heard == "" {
				require.Equal(t, http.StatusServiceUnavailable, r.status, r.body)
				require.NotEmpty(t, path(r.json(t), "error", "message"))
				require.EqualValues(t, 503, row.GetStatusCode())
				return
			}
			require.Equal(t, http.StatusOK, r.status)
			text, last := streamed(t, r.body)
			require.Equal(t, c.heard, text)
			require.Contains(t, last, `"error"`)
			require.EqualValues(t, 200, row.GetStatusCode())
			require.Equal(t, c.heard, row.GetResponseText())
			require.True(t, row.GetUsageEstimated())
			require.Positive(t, row.GetOutputTokens())
		})
	}
}

func TestAProviderThatIsAwayOrUnknownIsUnavailable(t *testing.T) {
	t.Parallel()
	h := outside(t)
	h.provider.server.Close()
	r := h.post("/v1/chat/completions", ask)
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Equal(t, "PROVIDER_UNREACHABLE", h.row(r).GetErrorReason())
	e := external("e", "")
	e.External.Provider = "nobody"
	h.route(3, endpoint("chat", e))
	r = h.post("/v1/chat/completions", ask)
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Equal(t, "PROVIDER_MISCONFIGURED", h.row(r).GetErrorReason())
}

func TestASlowProviderMeetsTheDeadline(t *testing.T) {
	t.Parallel()
	h := outside(t, func(o *edge.Settings) { o.Timeout = 100 * time.Millisecond })
	gone := make(chan struct{}, 2)
	h.provider.answers(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "event") {
			frames(w, chunk("Hel"))
		}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	r := h.post("/v1/chat/completions", ask)
	require.Equal(t, http.StatusGatewayTimeout, r.status, r.body)
	<-gone
	r = h.post("/v1/chat/completions", asking(`"stream":true`))
	text, last := streamed(t, r.body)
	require.Equal(t, "Hel", text)
	require.Contains(t, last, "timeout")
	<-gone
}

func TestHangingUpReachesTheProvider(t *testing.T) {
	t.Parallel()
	h := outside(t)
	began, gone := make(chan struct{}), make(chan struct{})
	h.provider.answers(func(w http.ResponseWriter, r *http.Request) {
		frames(w, roleChunk, chunk("12345678"))
		close(began)
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := http.DefaultClient.Do(h.request(http.MethodPost, "/v1/chat/completions", asking(`"stream":true`)).WithContext(ctx))
	require.NoError(t, err)
	<-began
	buf := make([]byte, 10)
	_, err = resp.Body.Read(buf)
	require.NoError(t, err)
	cancel()
	_ = resp.Body.Close()
	<-gone
	row := h.rowOf(eventually(t, h))
	require.EqualValues(t, 499, row.GetStatusCode())
	require.EqualValues(t, 2, row.GetOutputTokens(), "what was streamed is billed")
	require.True(t, row.GetUsageEstimated())
}

// eventually waits for the house's only row and returns its id.
func eventually(t *testing.T, h *house) string {
	t.Helper()
	require.Eventually(t, func() bool { return len(h.rows()) == 1 }, 5*time.Second, time.Millisecond)
	return h.rows()[0].GetRequestId()
}
