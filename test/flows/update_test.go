package flows

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/test/client"
	"github.com/slipway-ai/slipway/test/topology"
)

// TestAnUpdateUnderLoadFailsNoCall moves an alias to another model version while callers ask, streams among them: the
// endpoint follows, the old engine is drained, and not one call fails.
func TestAnUpdateUnderLoadFailsNoCall(t *testing.T) {
	for name, mesh := range map[string]bool{"one process": false, "five processes": true} {
		t.Run(name, func(t *testing.T) {
			p := topology.ForTest(t, topology.Options{Mesh: mesh})
			p.DeployModel(t, "steady")
			p.Must(t, "model", "register", "main.test.steady", topology.ModelFile(t), "--comment", "the same weights again")

			ctx, cancel := context.WithCancel(t.Context())
			var calls, streams atomic.Int64
			var group sync.WaitGroup
			failures := make(chan string, 64)
			for caller := range 8 {
				c := client.Caller{URL: p.URL, Token: p.Token}
				group.Go(func() {
					for i := 0; ctx.Err() == nil; i++ {
						stream := (caller+i)%2 == 0
						a, err := c.Chat(context.WithoutCancel(ctx), client.Ask{Endpoint: "steady", Question: "What is a rollback?", Stream: stream})
						calls.Add(1)
						if stream {
							streams.Add(1)
						}
						if err != nil || a.Status != http.StatusOK || !a.Complete || a.Text != "A rollback brings the last good version of a model back." {
							select {
							case failures <- a.Text + a.Error.Message + errText(err):
							default:
							}
						}
					}
				})
			}
			more := func() {
				until := calls.Load() + 100
				topology.Eventually(t, "a hundred more calls are answered", func() bool { return calls.Load() >= until })
			}
			more()
			for _, version := range []string{"2", "1", "2"} {
				p.Must(t, "model", "alias", "main.test.steady", "champion", version)
				awaitModel(t, p, "steady", "models:/main.test.steady/"+version)
				more()
			}
			cancel()
			group.Wait()
			close(failures)
			var failed []string
			for f := range failures {
				failed = append(failed, f)
			}
			t.Logf("%d calls, %d streamed, over three swaps of the engine", calls.Load(), streams.Load())
			require.Empty(t, failed)
			require.Positive(t, streams.Load())
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// awaitModel returns when the endpoint's active configuration serves the model version and nothing is pending.
func awaitModel(t *testing.T, p *topology.Platform, endpoint, version string) {
	t.Helper()
	var got struct {
		Endpoint struct {
			Pending *struct{} `json:"pendingConfig"`
			Active  struct {
				States []struct {
					Resolved string `json:"resolvedModel"`
				} `json:"states"`
			} `json:"activeConfig"`
		} `json:"endpoint"`
	}
	topology.Eventually(t, "the endpoint serves "+version, func() bool {
		got.Endpoint.Pending = nil
		require.NoError(t, p.GetJSON(t.Context(), "/api/slipway/v1/endpoints/"+endpoint, &got))
		s := got.Endpoint.Active.States
		return got.Endpoint.Pending == nil && len(s) == 1 && s[0].Resolved == version
	})
}
