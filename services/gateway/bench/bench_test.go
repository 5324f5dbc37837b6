package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway"
)

const (
	roleEnv   = "SLIPWAY_BENCH_ROLE"
	socketEnv = "SLIPWAY_BENCH_SOCKET"
	tokenEnv  = "SLIPWAY_BENCH_TOKEN"
)

// TestMain is also the other two processes.
func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "upstream":
		upstream(os.Getenv(socketEnv))
	case "load":
		load()
	default:
		os.Exit(m.Run())
	}
}

// answer is about 1 KB.
var answer = []byte(`{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"` +
	strings.Repeat("All work and no play. ", 36) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":40,"completion_tokens":180,"total_tokens":220}}`)

const streamChunks = 64

// streamAnswer thinks for a moment first. An upstream that streams before its caller has seen the end of the request's body
// makes httputil.ReverseProxy break off: its server closes the body under its transport.
func streamAnswer(w http.ResponseWriter) {
	time.Sleep(time.Millisecond)
	w.Header()["Content-Type"] = []string{"text/event-stream"}
	f := w.(http.Flusher)
	for range streamChunks {
		_, _ = io.WriteString(w, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n")
		f.Flush()
	}
	_, _ = io.WriteString(w, `data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\n"+
		`data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":40,"completion_tokens":64}}`+"\n\ndata: [DONE]\n\n")
}

// upstream is a provider without delay, and the gateway's peers.
func upstream(socket string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	network := link.NewNetwork()
	gl, creds, err := network.Listen("unix:"+socket, link.TLS{})
	if err != nil {
		panic(err)
	}
	s, err := rpc.NewServer(rpc.ServerOptions{Service: "peers", Log: slog.New(slog.DiscardHandler), Telemetry: telemetry.Discard(), Creds: creds, TrustPeers: true})
	if err != nil {
		panic(err)
	}
	registryv1.RegisterAccessServiceServer(s, peers{})
	registryv1.RegisterEventServiceServer(s, peers{})
	servingv1.RegisterRouteServiceServer(s, peers{})
	monitorv1.RegisterIngestServiceServer(s, peers{})
	go func() { panic(s.Serve(gl)) }()
	fmt.Println(l.Addr())
	panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Header.Get("Accept") == "text/event-stream" {
			streamAnswer(w)
			return
		}
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(answer)
	})))
}

type peers struct {
	registryv1.UnimplementedAccessServiceServer
	registryv1.UnimplementedEventServiceServer
	servingv1.UnimplementedRouteServiceServer
	monitorv1.UnimplementedIngestServiceServer
}

func (peers) CheckAccess(_ context.Context, q *registryv1.CheckAccessRequest) (*registryv1.CheckAccessResponse, error) {
	yes := make([]*registryv1.AccessAnswer, len(q.GetQuestions()))
	for i := range yes {
		yes[i] = &registryv1.AccessAnswer{Allowed: true, Visible: true}
	}
	return &registryv1.CheckAccessResponse{Answers: yes}, nil
}

func (peers) WatchEvents(_ *registryv1.WatchEventsRequest, s grpc.ServerStreamingServer[registryv1.WatchEventsResponse]) error {
	<-s.Context().Done()
	return s.Context().Err()
}

func (peers) WatchRoutes(s grpc.BidiStreamingServer[servingv1.WatchRoutesRequest, servingv1.WatchRoutesResponse]) error {
	err := s.Send(&servingv1.WatchRoutesResponse{Revision: 1, Endpoints: []*servingv1.EndpointRoute{{
		Name: "chat", Id: "0190d5e0-0000-7000-8000-000000000001", ConfigRevision: 1, Entities: []*servingv1.EntityRoute{
			{Name: "a", TrafficPercentage: 90, External: &servingv1.ExternalEntity{Provider: "mock", Model: "gpt-x"}},
			{Name: "b", TrafficPercentage: 10, External: &servingv1.ExternalEntity{Provider: "mock", Model: "gpt-y"}},
		},
	}}})
	if err != nil {
		return err
	}
	<-s.Context().Done()
	return nil
}

func (peers) Ingest(s grpc.BidiStreamingServer[monitorv1.IngestRequest, monitorv1.IngestResponse]) error {
	var acked int64
	for {
		m, err := s.Recv()
		if err != nil {
			return nil //nolint:nilerr // the gateway has gone
		}
		if n := int64(len(m.GetRecords())); n > 0 {
			acked = m.GetFirstSeq() + n - 1
		}
		if err := s.Send(&monitorv1.IngestResponse{AckedSeq: acked}); err != nil {
			return err
		}
	}
}

// load reads jobs "address path size stream concurrency count" and answers each with "rps p50us p99us".
func load() {
	jobs := bufio.NewScanner(os.Stdin)
	kept := map[string][]*wire{}
	for jobs.Scan() {
		f := strings.Fields(jobs.Text())
		size, _ := strconv.Atoi(f[2])
		concurrency, _ := strconv.Atoi(f[4])
		count, _ := strconv.Atoi(f[5])
		for len(kept[f[0]]) < concurrency {
			c, err := net.Dial("tcp", f[0])
			if err != nil {
				panic(err)
			}
			kept[f[0]] = append(kept[f[0]], &wire{c, bufio.NewReaderSize(c, 64<<10)})
		}
		fmt.Println(fire(kept[f[0]][:concurrency], f[1], size, f[3] == "true", count))
	}
}

// wire is a connection that is kept from burst to burst.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func fire(wires []*wire, path string, size int, stream bool, count int) string {
	body := fmt.Sprintf(`{"model":"chat","messages":[{"role":"user","content":"%s"}],"stream":%t}`, strings.Repeat("lorem ipsum ", max(size-90, 0)/12), stream)
	accept := "application/json"
	if stream {
		accept = "text/event-stream"
	}
	request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nAccept: %s\r\nContent-Length: %d\r\n\r\n%s",
		path, os.Getenv(tokenEnv), accept, len(body), body)
	took := make([][]time.Duration, len(wires))
	var all sync.WaitGroup
	began := time.Now()
	for w, c := range wires {
		n := count / len(wires)
		if w < count%len(wires) {
			n++
		}
		all.Go(func() {
			for range n {
				from := time.Now()
				if _, err := c.Write(request); err != nil {
					panic(err)
				}
				if err := consume(c.in); err != nil {
					panic(c.RemoteAddr().String() + ": " + err.Error())
				}
				took[w] = append(took[w], time.Since(from))
			}
		})
	}
	all.Wait()
	elapsed := time.Since(began)
	flat := slices.Concat(took...)
	slices.Sort(flat)
	return fmt.Sprintf("%.0f %d %d", float64(count)/elapsed.Seconds(), flat[len(flat)/2].Microseconds(), flat[len(flat)*99/100].Microseconds())
}

// consume reads one answer with as little work as it takes.
func consume(in *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("head: %w", err)
		}
		if first && !bytes.Contains(line, []byte(" 200 ")) {
			rest, _ := in.Peek(in.Buffered())
			return fmt.Errorf("%s%s", line, rest)
		}
		if len(line) == 2 {
			break
		}
		if n, ok := bytes.CutPrefix(bytes.ToLower(line), []byte("content-length: ")); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(string(n)))
		}
	}
	if length >= 0 {
		_, err := in.Discard(length)
		return err
	}
	for { // chunked
		line, err := in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("chunk: %w", err)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(line)), 16, 64)
		if err != nil {
			return fmt.Errorf("chunk: %w", err)
		}
		if _, err = in.Discard(int(n) + 2); err != nil {
			return fmt.Errorf("chunk of %d: %w", n, err)
		}
		if n == 0 {
			return nil
		}
	}
}

// stage is the process under test, and a way to the other two.
type stage struct {
	gateway, proxy, direct string
	token                  string
	jobs                   io.Writer
	results                *bufio.Reader
	service                *gateway.Service
	admin                  string
}

func child(b *testing.B, role string, env ...string) (*exec.Cmd, io.WriteCloser, *bufio.Reader) {
	b.Helper()
	c := exec.CommandContext(b.Context(), os.Args[0])
	if taskset, err := exec.LookPath("taskset"); err == nil && runtime.NumCPU() > 1 { // out of the way of the process under test
		c = exec.CommandContext(b.Context(), taskset, "-c", strconv.Itoa(runtime.NumCPU()-1), os.Args[0])
	}
	c.Env = append(append(os.Environ(), roleEnv+"="+role), env...)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	require.NoError(b, err)
	out, err := c.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, c.Start())
	b.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c, in, bufio.NewReader(out)
}

func newStage(b *testing.B) *stage {
	b.Helper()
	dir := b.TempDir()
	socket := filepath.Join(dir, "peers.sock")
	_, _, out := child(b, "upstream", socketEnv+"="+socket)
	address, err := out.ReadString('\n')
	require.NoError(b, err)
	s := &stage{direct: strings.TrimSpace(address)}
	cfg := gateway.Default()
	cfg.HTTP, cfg.GRPC, cfg.Log.Max = "127.0.0.1:0", "127.0.0.1:0", 64<<30
	cfg.Limits.RequestsPerMinute = 1_000_000_000
	peer := "unix:" + socket
	s.service, err = gateway.New(b.Context(), cfg, boot.Settings{
		Log: slog.New(slog.DiscardHandler), Telemetry: telemetry.Discard(), Net: link.NewNetwork(), Clock: clock.System(), IDs: id.UUIDv7(), DataDir: dir,
		Peers: map[string]string{"registry": peer, "serving": peer, "monitor": peer},
	})
	require.NoError(b, err)
	require.NoError(b, s.service.Start(b.Context()))
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(b, s.service.Stop(ctx))
	})
	require.Eventually(b, func() bool { return s.service.Ready(b.Context()) == nil }, 20*time.Second, 10*time.Millisecond)
	s.furnish(b, dir)

	target, err := url.Parse("http://" + s.direct)
	require.NoError(b, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
	s.gateway, s.proxy = s.service.HTTPAddr(), listen(b, proxy)
	_, s.jobs, s.results = child(b, "load", tokenEnv+"="+s.token)
	return s
}

// furnish makes a caller with a token and a provider, as an admin would.
func (s *stage) furnish(b *testing.B, dir string) {
	b.Helper()
	admin, err := os.ReadFile(filepath.Join(dir, "admin.token"))
	require.NoError(b, err)
	s.admin = strings.TrimSpace(string(admin))
	var token struct{ Secret string }
	s.call(b, http.MethodPut, "principals/ann", `{"kind":"PRINCIPAL_KIND_USER","groups":["team"]}`, nil)
	s.call(b, http.MethodPost, "tokens", `{"principal":"ann"}`, &token)
	s.call(b, http.MethodPut, "providers/mock", `{"base_url":"http://`+s.direct+`/v1","api_key":"sk-mock"}`, nil)
	require.NotEmpty(b, token.Secret)
	s.token = token.Secret
}

func (s *stage) call(b *testing.B, method, path, body string, into any) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, "http://"+s.service.HTTPAddr()+"/api/slipway/v1/"+path, strings.NewReader(body))
	require.NoError(b, err)
	r.Header.Set("Authorization", "Bearer "+s.admin)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(b, err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	require.Equal(b, http.StatusOK, resp.StatusCode, "%s", answer)
	if into != nil {
		require.NoError(b, json.Unmarshal(answer, into))
	}
}

// audit asks the gateway how its log stands.
func (s *stage) audit(b *testing.B) {
	b.Helper()
	var log struct{ Admitted, Logged, Refused, InFlight json.Number }
	s.call(b, http.MethodGet, "request-log", "", &log)
	if log.Admitted != log.Logged || log.Admitted == "" {
		b.Fatalf("the audit does not add up: %+v", log)
	}
}

func listen(b *testing.B, h http.Handler) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(l) }()
	b.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

// fire has the load generator send count requests, and returns what it measured.
func (s *stage) fire(b *testing.B, address string, size int, stream bool, concurrency, count int) (rps, p50, p99 float64) {
	b.Helper()
	_, err := fmt.Fprintln(s.jobs, address, "/v1/chat/completions", size, stream, concurrency, count)
	require.NoError(b, err)
	line, err := s.results.ReadString('\n')
	require.NoError(b, err)
	_, err = fmt.Sscan(line, &rps, &p50, &p99)
	require.NoError(b, err)
	return rps, p50, p99
}

func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// way is one path through which the load is sent, and what was measured there.
type way struct {
	name    string
	address string
	cpu     []float64 // microseconds per request, of each burst
	rps     []float64
	p50     []float64
	p99     []float64
}

// BenchmarkRequest sends small, 32 KB and 400 KB prompts, and streams of 64 pieces, in short bursts through each way in turn,
// so that a neighbour's load falls on all of them alike. It reports medians, the least CPU, and the ratio of the medians.
func BenchmarkRequest(b *testing.B) {
	for _, shape := range []struct {
		name        string
		size        int
		stream      bool
		concurrency int
		burst       int
	}{
		{"small", 200, false, 32, 1000}, {"32KB", 32 << 10, false, 16, 400}, {"400KB", 400 << 10, false, 4, 60}, {"stream", 200, true, 8, 200}, {"alone", 200, false, 1, 300},
	} {
		b.Run(shape.name, func(b *testing.B) {
			s := newStage(b)
			ways := []*way{{name: "direct", address: s.direct}, {name: "proxy", address: s.proxy}, {name: "gateway", address: s.gateway}}
			for _, w := range ways {
				s.fire(b, w.address, shape.size, shape.stream, shape.concurrency, 2*shape.burst) // connections, pools, caches
			}
			b.ResetTimer()
			for range b.N {
				for _, w := range ways {
					from := cpu()
					rps, p50, p99 := s.fire(b, w.address, shape.size, shape.stream, shape.concurrency, shape.burst)
					used := float64((cpu() - from).Nanoseconds()) / 1000 / float64(shape.burst)
					w.cpu, w.rps, w.p50, w.p99 = append(w.cpu, used), append(w.rps, rps), append(w.p50, p50), append(w.p99, p99)
				}
			}
			b.StopTimer()
			s.audit(b)
			b.ReportMetric(0, "ns/op")
			for _, w := range ways {
				if w.name != "direct" {
					b.ReportMetric(slices.Min(w.cpu), w.name+"-cpu-us-min")
					b.ReportMetric(median(w.cpu), w.name+"-cpu-us")
				}
				b.ReportMetric(median(w.rps), w.name+"-req/s")
				b.ReportMetric(median(w.p50), w.name+"-p50-us")
				b.ReportMetric(median(w.p99), w.name+"-p99-us")
			}
			b.ReportMetric(median(ways[2].cpu)/median(ways[1].cpu), "cpu-ratio")
			b.ReportMetric(median(ways[2].rps)/median(ways[1].rps), "req/s-ratio")
			if shape.stream {
				b.ReportMetric(median(ways[2].cpu)/streamChunks, "gateway-us/chunk")
			}
		})
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
