// Package chaos kills programs of a running mesh with SIGKILL at random moments under load, and counts afterwards: every
// answer that a caller received to its last byte is in the inference table exactly once, what was admitted adds up, and a
// killed engine answers again.
package chaos

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/test/client"
	"github.com/slipway-ai/slipway/test/topology"
)

var (
	rounds = flag.Int("chaos.rounds", 4, "how often something is killed")
	seed   = flag.Uint64("chaos.seed", 0, "seed of the moments and victims; 0 draws one")
)

const (
	callers = 8
	// engineBack is the promise: a killed engine answers again within it.
	engineBack = 2 * time.Second
	question   = "What is a rollback?"
	exact      = "A rollback brings the last good version of a model back."
)

func TestNothingAcknowledgedIsLostOrDoubledWhateverDies(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("%d rounds, -chaos.seed=%d", *rounds, *seed)
	random := rand.New(rand.NewPCG(*seed, 1))
	ctx := t.Context()
	p := topology.ForTest(t, topology.Options{Mesh: true})
	p.DeployModel(t, "chaos")

	load := startLoad(ctx, p, "chaos")
	victims := []func(*testing.T, *topology.Platform) string{killGateway, killMonitor, killEngine, killGatewayAndMonitor, killEngine, killAll}
	died := map[string]int{}
	var slowest time.Duration
	for range *rounds {
		<-time.After(time.Duration(150+random.IntN(600)) * time.Millisecond) // the random moment
		victim := victims[random.IntN(len(victims))](t, p)
		died[victim]++
		require.NoError(t, p.AwaitReady(ctx, 30*time.Second), victim)
		if back := awaitAnswer(ctx, t, p, victim); victim == "engine" {
			slowest = max(slowest, back)
			require.Less(t, back, engineBack, "the engine answers again too late")
		}
	}
	acknowledged, answered := load.stop()
	require.NoError(t, p.AwaitSettled(ctx, time.Minute))
	t.Logf("killed %v; %d calls acknowledged, %d answered otherwise; engine back after at most %s", died, len(acknowledged), answered, slowest.Round(time.Millisecond))
	require.NotEmpty(t, acknowledged)

	seen := rowsByClientID(ctx, t, p, "chaos")
	var lost, doubled []string
	for _, id := range acknowledged {
		switch n := seen[id]; {
		case n == 0:
			lost = append(lost, id)
		case n > 1:
			doubled = append(doubled, id)
		}
	}
	require.Empty(t, lost, "acknowledged and not in the table")
	require.Empty(t, doubled, "in the table more than once")

	var log topology.RequestLog
	require.NoError(t, p.GetJSON(ctx, "/api/slipway/v1/request-log", &log))
	var audit topology.LogAudit
	require.NoError(t, p.GetJSON(ctx, "/api/slipway/v1/inferences:audit?verify=true", &audit))
	require.Len(t, audit.Sources, 1)
	require.Equal(t, audit.Sources[0].Rows, audit.Sources[0].Distinct, "rows are doubled")
	require.Equal(t, log.Admitted, audit.Sources[0].Rows+log.Pending+log.InFlight, "admitted = committed + pending: %+v %+v", log, audit)
}

func killGateway(t *testing.T, p *topology.Platform) string { return kill(t, p, "gateway") }
func killMonitor(t *testing.T, p *topology.Platform) string { return kill(t, p, "monitor") }

func killGatewayAndMonitor(t *testing.T, p *topology.Platform) string {
	return kill(t, p, "gateway", "monitor")
}

func killAll(t *testing.T, p *topology.Platform) string {
	killEngine(t, p)
	kill(t, p, "monitor", "gateway")
	return "gateway, monitor and engine"
}

func kill(t *testing.T, p *topology.Platform, names ...string) string {
	t.Helper()
	for _, n := range names {
		require.NoError(t, p.Process(n).Kill())
	}
	for _, n := range names {
		require.NoError(t, p.Process(n).Start())
	}
	return fmt.Sprint(names)
}

func killEngine(t *testing.T, p *topology.Platform) string {
	t.Helper()
	workers, err := p.Process("gpu-runtime").Children("engine-worker")
	require.NoError(t, err)
	require.NotEmpty(t, workers, "no engine worker runs")
	for _, pid := range workers {
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	return "engine"
}

// awaitAnswer asks until the exact answer comes and returns how long that took.
func awaitAnswer(ctx context.Context, t *testing.T, p *topology.Platform, after string) time.Duration {
	t.Helper()
	start := time.Now()
	c := client.Caller{URL: p.URL, Token: p.Token}
	for time.Since(start) < 30*time.Second {
		a, err := c.Chat(ctx, client.Ask{Endpoint: "chaos", Question: question})
		if err == nil && a.Status == http.StatusOK {
			require.Equal(t, exact, a.Text)
			return time.Since(start)
		}
	}
	require.FailNow(t, "no answer within 30 s after the kill of "+after, p.Logs())
	return 0
}

// load is callers that go on asking, each call with an id of its own.
type load struct {
	cancel   context.CancelFunc
	group    sync.WaitGroup
	mu       sync.Mutex
	complete []string
	other    atomic.Int64
}

func startLoad(ctx context.Context, p *topology.Platform, endpoint string) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel}
	for caller := range callers {
		// Connections are the caller's own: a killed gateway breaks them, a new one takes new ones.
		c := client.Caller{URL: p.URL, Token: p.Token, HTTP: &http.Client{Transport: &http.Transport{}}}
		l.group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("call-%d-%d", caller, i)
				a, err := c.Chat(context.WithoutCancel(ctx), client.Ask{
					Endpoint: endpoint, Question: question, Stream: i%3 == 0, Header: map[string]string{"X-Client-Request-Id": id},
				})
				if err != nil || !a.Complete || a.Status != http.StatusOK || a.Error.Message != "" {
					l.other.Add(1)
					continue
				}
				l.mu.Lock()
				l.complete = append(l.complete, id)
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) stop() (complete []string, other int64) {
	l.cancel()
	l.group.Wait()
	return l.complete, l.other.Load()
}

// rowsByClientID counts the endpoint's rows by the caller's id, page by page.
func rowsByClientID(ctx context.Context, t *testing.T, p *topology.Platform, endpoint string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for token := ""; ; {
		var page struct {
			Inferences []struct {
				ClientRequestID string `json:"clientRequestId"`
			} `json:"inferences"`
			Next string `json:"nextPageToken"`
		}
		q := url.Values{"endpoint": {endpoint}, "omit_bodies": {"true"}, "page_size": {"1000"}, "page_token": {token}}
		require.NoError(t, p.GetJSON(ctx, "/api/slipway/v1/inferences?"+q.Encode(), &page))
		for _, r := range page.Inferences {
			seen[r.ClientRequestID]++
		}
		if token = page.Next; token == "" {
			return seen
		}
	}
}
