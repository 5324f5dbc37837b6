// Package traces asserts that one request is one trace, as a tree across the services, in every topology.
package traces

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/test/client"
	"github.com/slipway-ai/slipway/test/topology"
)

const (
	boundTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	plainTrace = "0af7651916cd43dd8448eb211c80319c"
)

// cached are the spans that a warm cache saves: they are in some traces and not in others.
var cached = []func(testkit.Span) bool{
	testkit.ByName("sql."), testkit.ByName("slipway.registry.v1.AccessService"),
}

func TestOneRequestIsOneTrace(t *testing.T) {
	for name, mesh := range map[string]bool{"one process": false, "five processes": true} {
		t.Run(name, func(t *testing.T) {
			collector := testkit.NewTraces(t)
			p := topology.ForTest(t, topology.Options{Mesh: mesh, OTLP: collector.Endpoint()})
			p.DeployModel(t, "plain")
			file := filepath.Join(t.TempDir(), "answer.txt")
			require.NoError(t, os.WriteFile(file, []byte("{{question}}"), 0o600))
			p.Must(t, "prompt", "import", "main.test.answer", file)
			p.Must(t, "endpoint", "deploy", "bound", "--entity", "main=prompts:/main.test.answer/1+models:/main.test.plain@champion")

			ask := func(endpoint, trace string, stream bool) {
				a, err := client.Caller{URL: p.URL, Token: p.Token}.Chat(t.Context(), client.Ask{
					Endpoint: endpoint, Question: "What is a rollback?", Stream: stream, Header: map[string]string{"traceparent": "00-" + trace + "-00f067aa0ba902b7-01"},
				})
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, a.Status, a.Error)
				require.Contains(t, a.Header.Get("traceresponse"), trace)
			}
			ask("bound", boundTrace, true)
			collector.RequireTree(t, boundTrace, `
				… gateway: POST /v1/chat/completions
				  gateway: slipway.gpuruntime.v1.InferenceService/Generate
				    gpu-runtime: slipway.gpuruntime.v1.InferenceService/Generate
				      gpu-runtime: generate
				        gpu-runtime: engine attempt
				          engine-worker: engine generate
				            engine-worker: decode
				            engine-worker: prefill
				            engine-worker: queue
				  gateway: slipway.serving.v1.PromptExecutionService/RenderPrompt
				    serving: slipway.serving.v1.PromptExecutionService/RenderPrompt
				  monitor: inference_log append
			`, cached...)
			// A request to a plain model does not touch serving.
			ask("plain", plainTrace, false)
			collector.RequireTree(t, plainTrace, `
				… gateway: POST /v1/chat/completions
				  gateway: slipway.gpuruntime.v1.InferenceService/Generate
				    gpu-runtime: slipway.gpuruntime.v1.InferenceService/Generate
				      gpu-runtime: generate
				        gpu-runtime: engine attempt
				          engine-worker: engine generate
				            engine-worker: decode
				            engine-worker: prefill
				            engine-worker: queue
				  monitor: inference_log append
			`, cached...)
		})
	}
}
