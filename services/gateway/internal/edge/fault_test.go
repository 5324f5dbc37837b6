package edge_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/fault"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/edge"
)

type (
	generate = gpuruntimev1.GenerateRequest
	sender   = grpc.ServerStreamingServer[gpuruntimev1.GenerateResponse]
)

var errCrash = fault.New("engine", fault.Unavailable, "the worker died")

func TestEveryRefusalHasItsKindAndItsRow(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *edge.Settings) { o.MaxBody = 100_000 })
	h.route(2, endpoint("chat", local("m", 100, "i1")), endpoint("secret", local("m", 100, "i1")), endpoint("seen", local("m", 100, "i1")),
		endpoint("idle", local("m", 0, "i1")), endpoint("only-embeds", external("e", "embeddings")), endpoint("lost-provider", external("e", "")))
	h.guard.refused.Store("secret", fault.New("guard", fault.NotFound, "words that must not come through"))
	h.guard.refused.Store("seen", fault.New("guard", fault.PermissionDenied, "you may see but not query seen"))
	model := func(name string) string { return strings.Replace(ask, "chat", name, 1) }
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
		row                      bool
	}{
		{name: "no token", body: ask, headers: []string{"Authorization", ""}, status: 401, code: "invalid_api_key"},
		{name: "an expired token", body: ask, headers: []string{"Authorization", "Bearer expired"}, status: 401, code: "invalid_api_key"},
		{name: "no token for a known endpoint", path: "/serving-endpoints/chat/chat/completions", body: ask, headers: []string{"Authorization", ""}, status: 401, code: "invalid_api_key", row: true},
		{name: "the wrong method", method: http.MethodGet, status: 405},
		{name: "an unknown path", path: "/v1/nothing", body: ask, status: 404, code: "model_not_found"},
		{name: "an empty body", body: "", status: 400, row: true},
		{name: "no JSON", body: "hello", status: 400, row: true},
		{name: "invalid UTF-8", body: strings.Replace(ask, "hello", "\xff", 1), status: 400, row: true},
		{name: "two models", body: `{"model":"chat","model":"seen","messages":[]}`, status: 400, row: true},
		{name: "no model", body: `{"messages":[]}`, status: 400, code: "missing_required_parameter", row: true},
		{name: "an unknown model", body: model("nobody"), status: 404, code: "model_not_found", row: true},
		{name: "a hidden model", body: model("secret"), status: 404, code: "model_not_found", row: true},
		{name: "a forbidden model", body: model("seen"), status: 403, code: "permission_denied", row: true},
		{name: "no traffic", body: model("idle"), status: 503, code: "service_unavailable", row: true},
		{name: "the wrong task", body: model("only-embeds"), status: 400, row: true},
		{name: "an unknown entity", body: ask, headers: []string{"X-Slipway-Served-Entity", "nobody"}, status: 404, row: true},
		{name: "a large body", body: asking(`"user":"` + strings.Repeat("u", 100_000) + `"`), status: 413, code: "request_too_large", row: true},
		{name: "tools at a local engine", body: asking(`"tools":[{"type":"function"}]`), status: 400, code: "unsupported_parameter", row: true},
		{name: "an unknown parameter", body: asking(`"top_q":1`), status: 400, code: "unknown_parameter", row: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.method == "" {
				c.method = http.MethodPost
			}
			if c.path == "" {
				c.path = "/v1/chat/completions"
			}
			r := h.do(h.request(c.method, c.path, c.body, c.headers...))
			require.Equal(t, c.status, r.status, r.body)
			require.NotEmpty(t, path(r.json(t), "error", "message"))
			if c.code != "" {
				require.Equal(t, c.code, path(r.json(t), "error", "code"))
			}
			require.NotContains(t, r.body, "must not come through")
			id := r.header.Get("X-Request-Id")
			require.NotEmpty(t, id)
			if !c.row {
				for _, row := range h.rows() {
					require.NotEqual(t, id, row.GetRequestId())
				}
				return
			}
			row := h.row(r)
			require.EqualValues(t, c.status, row.GetStatusCode())
			require.NotEmpty(t, row.GetErrorReason())
			require.Zero(t, row.GetOutputTokens())
		})
	}
	hidden := h.post("/v1/chat/completions", model("secret")).body
	require.Equal(t, strings.ReplaceAll(hidden, "secret", "nobody"), h.post("/v1/chat/completions", model("nobody")).body)
	stranger := h.post("/serving-endpoints/chat/invocations", ask, "Authorization", "")
	require.Equal(t, `Bearer realm="slipway"`, stranger.header.Get("Www-Authenticate"))
	require.Empty(t, h.row(stranger).GetRequest(), "a stranger's words are not kept")
	require.Equal(t, []string{"INVALID_UTF8"}, h.row(h.post("/v1/chat/completions", "\xff")).GetLoggingErrorCodes())
}

func TestALimitedCallerIsToldWhen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.guard.exceeded.Store(true)
	for _, body := range []string{ask, asking(`"user":"` + strings.Repeat("u", 100_000) + `"`)} {
		r := h.post("/v1/chat/completions", body)
		require.Equal(t, http.StatusTooManyRequests, r.status)
		require.Equal(t, "rate_limit_exceeded", path(r.json(t), "error", "code"))
		require.Equal(t, "2", r.header.Get("Retry-After"))
		require.Equal(t, "1500", r.header.Get("Retry-After-Ms"))
		require.Equal(t, "0", r.header.Get("X-Ratelimit-Remaining-Requests"))
		require.Equal(t, "RATE_LIMITED", h.row(r).GetErrorReason())
	}
	require.Equal(t, "chat", h.row(h.post("/v1/chat/completions", ask)).GetEndpoint())
	require.Equal(t, http.StatusTooManyRequests, h.get("/v1/models").status)
}

func TestAFloodOfStrangersDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 200 {
		require.Equal(t, http.StatusUnauthorized, h.post("/serving-endpoints/chat/invocations", ask, "Authorization", "").status)
	}
	require.Less(t, len(h.rows()), 190)
	require.GreaterOrEqual(t, len(h.rows()), 100)
}

func TestAFailureBeforeTheFirstTokenIsMadeGoodElsewhere(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.Unavailable, fault.NotFound, fault.FailedPrecondition} {
		for _, members := range []string{`"stream":false`, `"stream":true`} {
			h := newHouse(t)
			h.route(2, endpoint("chat", local("m", 100, "bad", "good")))
			h.engine.answers(func(r *generate, out sender) error {
				if r.GetInstanceId() == "bad" {
					return fault.New("engine", kind, "not here")
				}
				return say("Hello")(r, out)
			})
			for range 4 {
				r := h.post("/v1/chat/completions", asking(members))
				require.Equal(t, http.StatusOK, r.status, r.body)
				require.Contains(t, r.body, "Hello")
				require.EqualValues(t, 200, h.row(r).GetStatusCode())
			}
		}
	}
}

func TestARequestWaitsForTheEngineToComeBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var calls atomic.Int64
	h.engine.answers(func(r *generate, out sender) error {
		if calls.Add(1) == 1 {
			h.engine.state("i1", gpuruntimev1.InstanceState_INSTANCE_STATE_RESTARTING)
			time.AfterFunc(100*time.Millisecond, func() { h.engine.state("i1", gpuruntimev1.InstanceState_INSTANCE_STATE_READY) })
			return errCrash
		}
		return say("Hello")(r, out)
	})
	began := time.Now()
	r := h.post("/v1/chat/completions", asking(`"stream":true`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	text, last := streamed(t, r.body)
	require.Equal(t, "Hello", text)
	require.Equal(t, "[DONE]", last)
	require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)
	require.Less(t, calls.Load(), int64(10), "it waits; it does not hammer")
}

func TestAnEngineThatStaysAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *edge.Settings) { o.RetryWindow = 50 * time.Millisecond })
	h.engine.answers(func(*generate, sender) error { return errCrash })
	r := h.post("/v1/chat/completions", ask)
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Equal(t, "1", r.header.Get("Retry-After"))
	require.Contains(t, r.body, "the worker died")
	require.EqualValues(t, 503, h.row(r).GetStatusCode())

	h.engine.state("i1", gpuruntimev1.InstanceState_INSTANCE_STATE_FAILED)
	require.Eventually(t, func() bool {
		return h.post("/v1/chat/completions", ask).status == http.StatusServiceUnavailable
	}, 5*time.Second, time.Millisecond)
}

func TestAnAnswerThatBreaksOffBeforeItsCallerHeardIsBegunAnew(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var calls atomic.Int64
	h.engine.answers(func(r *generate, out sender) error {
		if calls.Add(1) == 1 {
			_ = out.Send(delta("half an "))
			return errCrash
		}
		return say("whole")(r, out)
	})
	r := h.post("/v1/chat/completions", ask)
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, "whole", path(r.json(t), "choices", 0, "message", "content"))
	require.EqualValues(t, 1, h.row(r).GetOutputTokens())
}

func TestAStreamThatBreaksOffEndsInAnErrorEvent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, answer := range map[string]func(r *generate, out sender) error{
		"a crash":        func(_ *generate, out sender) error { _ = out.Send(delta("half")); return errCrash },
		"a silent end":   func(_ *generate, out sender) error { _ = out.Send(delta("half")); return nil },
		"given up":       func(_ *generate, out sender) error { _ = out.Send(delta("half")); return out.Send(cancelled()) },
		"a true failure": func(_ *generate, out sender) error { _ = out.Send(delta("half")); panic("engine") },
	} {
		h.engine.answers(answer)
		r := h.post("/v1/chat/completions", asking(`"stream":true`))
		require.Equal(t, http.StatusOK, r.status, name)
		text, last := streamed(t, r.body)
		require.Equal(t, "half", text)
		require.Contains(t, last, `"error"`, name)
		require.NotContains(t, r.body, "[DONE]")
		require.NotContains(t, r.body, `"finish_reason":"stop"`)
		row := h.row(r)
		require.EqualValues(t, 200, row.GetStatusCode(), "what the caller was told")
		require.NotEmpty(t, row.GetErrorReason())
		require.Equal(t, "half", row.GetResponseText())
		require.EqualValues(t, 1, row.GetOutputTokens(), "what was streamed is billed")
		require.True(t, row.GetUsageEstimated())
	}
}

func cancelled() *gpuruntimev1.GenerateResponse {
	return &gpuruntimev1.GenerateResponse{Part: &gpuruntimev1.GenerateResponse_Finish{Finish: &gpuruntimev1.Finish{Reason: gpuruntimev1.FinishReason_FINISH_REASON_CANCELLED}}}
}

func TestWhatTheEngineRefusesIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var calls atomic.Int64
	for kind, status := range map[fault.Kind]int{fault.Invalid: 400, fault.ResourceExhausted: 429, fault.Internal: 500} {
		calls.Store(0)
		h.engine.answers(func(*generate, sender) error {
			calls.Add(1)
			return fault.New("engine", kind, "the context is too long").WithReason("CONTEXT_LENGTH_EXCEEDED")
		})
		r := h.post("/v1/chat/completions", ask)
		require.Equal(t, status, r.status, r.body)
		require.EqualValues(t, 1, calls.Load())
		if kind == fault.Invalid {
			require.Equal(t, "context_length_exceeded", path(r.json(t), "error", "code"))
		}
	}
}

func TestAFullQueueSendsARequestElsewhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.route(2, endpoint("chat", local("m", 100, "full", "free")))
	h.engine.answers(func(r *generate, out sender) error {
		if r.GetInstanceId() == "full" {
			return fault.New("engine", fault.ResourceExhausted, "the queue is full")
		}
		return say("Hello")(r, out)
	})
	require.Equal(t, http.StatusOK, h.post("/v1/chat/completions", ask).status)
}

func TestWhatPeersThinkOfTheGatewayIsNotTheCallersFault(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, kind := range []fault.Kind{fault.Unauthenticated, fault.PermissionDenied} {
		h.engine.answers(func(*generate, sender) error { return fault.New("engine", kind, "internal callers only") })
		r := h.post("/v1/chat/completions", ask)
		require.Equal(t, http.StatusInternalServerError, r.status)
		require.NotContains(t, r.body, "internal callers")
	}
}

func TestAPromptWhoseRevisionIsGoneFollowsTheRoutes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *edge.Settings) { o.RetryWindow = 5 * time.Second })
	bound := func(name string) *servingv1.EntityRoute {
		e := local(name, 100, "i1")
		e.PromptVersion = "prompts:/c.s.p/2"
		return e
	}
	asked := make(chan struct{}, 1)
	h.serving.render = func(r *servingv1.RenderPromptRequest) (*servingv1.RenderPromptResponse, error) {
		if r.GetServedEntity() == "old" {
			select {
			case asked <- struct{}{}:
			default:
			}
			return nil, fault.New("serving", fault.FailedPrecondition, "revision 1 is gone")
		}
		return &servingv1.RenderPromptResponse{Messages: []*servingv1.ChatMessage{{Role: "user", Content: "Q"}}, PromptVersion: "prompts:/c.s.p/2"}, nil
	}
	h.route(2, endpoint("chat", bound("old")))
	answered := make(chan reply, 1)
	go func() { answered <- h.post("/v1/chat/completions", ask) }()
	<-asked
	h.route(3, endpoint("chat", bound("new")))
	r := <-answered
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, "new", r.header.Get("X-Slipway-Served-Entity"))
}

func TestACallerWhoHangsUpEndsTheWorkAndPaysForWhatCame(t *testing.T) {
	t.Parallel()
	for _, members := range []string{`"stream":true`, `"stream":false`} {
		h := newHouse(t)
		began, ended := make(chan struct{}), make(chan error, 1)
		h.engine.answers(func(_ *generate, out sender) error {
			for range 3 {
				_ = out.Send(delta("word "))
			}
			close(began)
			<-out.Context().Done()
			ended <- out.Context().Err()
			return out.Context().Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		request := h.request(http.MethodPost, "/v1/chat/completions", asking(members)).WithContext(ctx)
		gone, heard := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(gone)
			resp, err := http.DefaultClient.Do(request)
			if err != nil {
				return
			}
			defer resp.Body.Close()
			words := 0
			for s := bufio.NewScanner(resp.Body); s.Scan(); {
				if words += strings.Count(s.Text(), "word"); words == 3 {
					close(heard)
					words++
				}
			}
		}()
		<-began
		if strings.Contains(members, "true") {
			<-heard // what the caller has not heard it does not pay for
		}
		cancel()
		<-gone
		require.ErrorIs(t, <-ended, context.Canceled)
		require.Eventually(t, func() bool { return len(h.rows()) == 1 }, 5*time.Second, time.Millisecond)
		row := h.rows()[0]
		require.EqualValues(t, 499, row.GetStatusCode())
		require.True(t, row.GetUsageEstimated() || !row.GetStream())
		if row.GetStream() {
			require.EqualValues(t, 3, row.GetOutputTokens())
			require.Positive(t, row.GetInputTokens())
			require.Equal(t, "word word word ", row.GetResponseText())
		}
		stats := h.journal.Log().Stats()
		require.Zero(t, stats.Open)
	}
}

func TestARequestEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *edge.Settings) { o.Timeout = 50 * time.Millisecond })
	h.engine.answers(func(_ *generate, out sender) error { <-out.Context().Done(); return out.Context().Err() })
	r := h.post("/v1/chat/completions", ask)
	require.Equal(t, http.StatusGatewayTimeout, r.status, r.body)
	require.EqualValues(t, 504, h.row(r).GetStatusCode())
}

func TestAPanicIsAnErrorWithARow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.guard.panics.Store(true)
	r := h.post("/v1/chat/completions", ask)
	require.Equal(t, http.StatusInternalServerError, r.status)
	require.Contains(t, r.body, r.header.Get("X-Request-Id"))
	require.EqualValues(t, 500, h.row(r).GetStatusCode())
	h.guard.panics.Store(false)
	require.Equal(t, http.StatusOK, h.post("/v1/chat/completions", ask).status)
}

func TestAWaitingRequestFollowsTheRoutes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	waiting := make(chan struct{}, 1)
	h.engine.answers(func(r *generate, out sender) error {
		if r.GetInstanceId() == "i1" {
			select {
			case waiting <- struct{}{}:
			default:
			}
			return fault.New("engine", fault.FailedPrecondition, "draining")
		}
		return say("from the new one")(r, out)
	})
	answered := make(chan reply, 1)
	go func() { answered <- h.post("/v1/chat/completions", ask) }()
	<-waiting
	h.route(2, endpoint("chat", local("n", 100, "i2")))
	r := <-answered
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, "n", r.header.Get("X-Slipway-Served-Entity"))
	require.Equal(t, "n", h.row(r).GetServedEntity())

	go func() { answered <- h.post("/v1/chat/completions", ask) }()
	require.Equal(t, http.StatusOK, (<-answered).status)
	h.route(3, endpoint("chat", local("m", 100, "i1")))
	select { // of the first request's later tries
	case <-waiting:
	default:
	}
	go func() { answered <- h.post("/v1/chat/completions", ask) }()
	<-waiting
	h.route(4)
	r = <-answered
	require.Equal(t, http.StatusNotFound, r.status, "the endpoint was deleted under the request")
	require.Equal(t, "chat", h.row(r).GetEndpoint())
}

// Whatever happens to requests, each admitted one has exactly one row, and nothing is left running.
func TestChaosLeavesOneRowPerRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *edge.Settings) { o.RetryWindow, o.Timeout = 200*time.Millisecond, 2*time.Second })
	h.route(2, endpoint("chat", local("a", 50, "i1", "i2"), local("b", 50, "i3")))
	h.engine.answers(func(r *generate, out sender) error {
		switch rand.IntN(8) {
		case 0:
			return errCrash
		case 1:
			_ = out.Send(delta("half"))
			return errCrash
		case 2:
			_ = out.Send(delta("half"))
			return nil
		case 3:
			panic("engine")
		case 4:
			return fault.New("engine", fault.ResourceExhausted, "full")
		}
		return say("a", "b", "c")(r, out)
	})
	var all sync.WaitGroup
	var answered sync.Map
	for w := range 8 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 9))
			for range 25 {
				ctx, cancel := context.WithCancel(t.Context())
				body := asking(fmt.Sprintf(`"stream":%t`, rnd.IntN(2) == 0))
				if rnd.IntN(6) == 0 {
					body = body[:len(body)-2]
				}
				request := h.request(http.MethodPost, "/v1/chat/completions", body).WithContext(ctx)
				resp, err := http.DefaultClient.Do(request)
				if err == nil {
					answered.Store(resp.Header.Get("X-Request-Id"), true)
					if rnd.IntN(5) == 0 {
						_, _ = bufio.NewReader(resp.Body).ReadByte()
					} else {
						_, _ = io.Copy(io.Discard, resp.Body)
					}
					_ = resp.Body.Close()
				}
				cancel()
			}
		})
	}
	all.Wait()
	require.Eventually(t, func() bool { return h.journal.Log().Stats().Open == 0 }, 10*time.Second, time.Millisecond)
	stats := h.journal.Log().Stats()
	require.EqualValues(t, 200, stats.Admitted)
	require.Equal(t, stats.Admitted, stats.Logged)
	require.Len(t, h.rows(), 200)
	require.Empty(t, h.monitor.doubled)
	answered.Range(func(id, _ any) bool {
		require.NotEmpty(t, h.rowOf(id.(string)).GetStatusCode())
		return true
	})
	require.Eventually(t, func() bool { return h.engine.running.Load() == 0 }, 5*time.Second, time.Millisecond)
}
