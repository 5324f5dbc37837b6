package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitor "github.com/slipway-ai/slipway/services/monitor"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
	"github.com/slipway-ai/slipway/services/monitor/internal/ingest"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

// childEnv makes the test program be the service, for tests that kill it.
const childEnv = "SLIPWAY_MONITOR_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child()
	}
	os.Exit(m.Run())
}

// child is cmd/monitor's main.
func child() {
	root := &struct {
		boot.Common `yaml:",inline"`
		Monitor     monitor.Config `yaml:"monitor"`
	}{Common: boot.Default(monitor.Name), Monitor: monitor.Default()}
	boot.Main(monitor.Name, root, func(ctx context.Context, s boot.Settings) (boot.Service, error) {
		return monitor.New(ctx, root.Monitor, s)
	})
}

// grants is a registry that knows endpoints, who may see them and who may what.
type grants struct {
	registryv1.UnimplementedAccessServiceServer
	visible map[string][]string // endpoint → principals
	allowed map[string][]string // endpoint + privilege → principals
}

func (g *grants) CheckAccess(ctx context.Context, req *registryv1.CheckAccessRequest) (*registryv1.CheckAccessResponse, error) {
	p, _ := auth.From(ctx)
	out := &registryv1.CheckAccessResponse{}
	for _, q := range req.GetQuestions() {
		name := q.GetSecurable().GetFullName()
		out.Answers = append(out.Answers, &registryv1.AccessAnswer{
			Allowed: slices.Contains(g.allowed[name+" "+q.GetPrivilege().String()], p.Name), Visible: slices.Contains(g.visible[name], p.Name),
		})
	}
	return out, nil
}

// node is the service behind its door, with a registry beside it.
type node struct {
	monitorv1.IngestServiceClient
	monitorv1.InferenceServiceClient
	monitorv1.MonitorServiceClient
	monitorv1.FeedbackServiceClient
	service *monitor.Service
	data    string
	stop    func(ctx context.Context) error
}

type options struct {
	config monitor.Config
	data   string
	grants *grants
	traces *testkit.Traces
}

// start opens the door as a program does: New, a host, a module table.
func start(t testing.TB, change func(*options)) *node {
	t.Helper()
	o := options{config: monitor.Default(), data: t.TempDir(), grants: &grants{}}
	o.config.Ingest.FlushInterval = config.Duration(5 * time.Millisecond)
	if change != nil {
		change(&o)
	}
	tel := telemetry.Discard()
	if o.traces != nil {
		c := telemetry.Default()
		c.Service, c.LogLevel, c.OTLPEndpoint, c.OTLPInsecure, c.ExportEvery = monitor.Name, "error", o.traces.Endpoint(), true, config.Duration(10*time.Millisecond)
		var err error
		tel, err = telemetry.Setup(t.Context(), c)
		require.NoError(t, err)
		t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	}
	s := boot.Settings{
		Log: tel.Log, Telemetry: tel, Net: link.NewNetwork(), Clock: clock.System(), IDs: id.UUIDv7(), DataDir: o.data,
		Peers: map[string]string{"registry": "inproc:registry", "monitor": "inproc:monitor"},
	}
	serveRegistry(t, s, o.grants)
	svc, err := monitor.New(t.Context(), o.config, s)
	require.NoError(t, err)
	host, err := boot.NewHost(boot.HostOptions{Name: monitor.Name, Listen: "inproc:monitor", Grace: 5 * time.Second}, svc, s)
	require.NoError(t, err)
	table, err := lifecycle.NewTable(host.Module())
	require.NoError(t, err)
	require.NoError(t, table.Start(t.Context()))
	conn, err := s.DialPeer("test", "monitor")
	require.NoError(t, err)
	n := &node{
		IngestServiceClient: monitorv1.NewIngestServiceClient(conn), InferenceServiceClient: monitorv1.NewInferenceServiceClient(conn),
		MonitorServiceClient: monitorv1.NewMonitorServiceClient(conn), FeedbackServiceClient: monitorv1.NewFeedbackServiceClient(conn),
		service: svc, data: o.data,
	}
	stopped := false
	n.stop = func(ctx context.Context) error {
		if stopped {
			return nil
		}
		stopped = true
		return table.Stop(ctx)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, n.stop(ctx))
		require.NoError(t, conn.Close())
	})
	return n
}

func serveRegistry(t testing.TB, s boot.Settings, g *grants) {
	t.Helper()
	l, creds, err := s.Net.Listen("inproc:registry", link.TLS{})
	require.NoError(t, err)
	server, err := rpc.NewServer(rpc.ServerOptions{Service: "registry", Telemetry: s.Telemetry, Creds: creds, TrustPeers: true})
	require.NoError(t, err)
	registryv1.RegisterAccessServiceServer(server, g)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
}

func as(ctx context.Context, name string, groups ...string) context.Context {
	return auth.With(ctx, auth.Principal{Name: name, Kind: auth.User, Groups: groups})
}

func gateway(ctx context.Context) context.Context { return auth.With(ctx, auth.Service("gateway")) }

func admin(ctx context.Context) context.Context { return as(ctx, "root", auth.Admins) }

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// record is request number i of a log.
func record(source string, i int64) *monitorv1.InferenceRecord {
	return &monitorv1.InferenceRecord{
		RequestId: fmt.Sprintf("%s-%07d", source, i), RequestTime: timestamppb.New(noon.Add(time.Duration(i) * time.Second)),
		Endpoint: []string{"chat", "code"}[i%2], ServedEntity: "v1", Requester: []string{"ada", "bob", "eve"}[i%3], Task: "chat", StatusCode: 200,
		ExecutionDurationUs: 1000 + i, InputTokens: 10, OutputTokens: 5, TrafficBucket: int32(i % 10_000), FinishReason: "stop",
		Request:  []byte(fmt.Sprintf(`{"messages":[{"role":"user","content":"What is the answer to question %d?"}]}`, i)),
		Response: []byte(`{"choices":[{"message":{"content":"It is in the book."},"finish_reason":"stop"}]}`),
	}
}

func batch(source string, first, last int64) []*monitorv1.InferenceRecord {
	var out []*monitorv1.InferenceRecord
	for i := first; i <= last; i++ {
		out = append(out, record(source, i))
	}
	return out
}

// deliver sends records 1 to last of a log and waits until they are durable.
func deliver(t testing.TB, c monitorv1.IngestServiceClient, source string, epoch int64, records ...*monitorv1.InferenceRecord) {
	t.Helper()
	stream, err := c.Ingest(gateway(t.Context()))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&monitorv1.IngestRequest{SourceId: source, Epoch: epoch, FirstSeq: 1, Records: records}))
	require.NoError(t, stream.CloseSend())
	var acked int64
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		acked = resp.GetAckedSeq()
	}
	require.EqualValues(t, len(records), acked)
}

// requireLog reads the table's files, with nothing of the service between, and
// checks that each log has its records 1 to n, once each.
func requireLog(t testing.TB, data string, want map[ingest.Key]int64) {
	t.Helper()
	place, err := delta.NewLocal(filepath.Join(data, "inference_log"))
	require.NoError(t, err)
	table, err := delta.Open(t.Context(), place, delta.Options{})
	require.NoError(t, err)
	got := map[ingest.Key]map[int64]string{}
	columns := []string{inference.ColSource, inference.ColEpoch, inference.ColSeq, inference.ColRequestID}
	for p, err := range table.Scan(t.Context(), table.Snapshot(), delta.Query{Columns: columns}) {
		require.NoError(t, err)
		for i := range p.Rows() {
			k := ingest.Key{Source: p.Columns[0].Strings[i], Epoch: p.Columns[1].Ints[i]}
			if got[k] == nil {
				got[k] = map[int64]string{}
			}
			seq := p.Columns[2].Ints[i]
			require.NotContains(t, got[k], seq, "%v %d is there twice", k, seq)
			got[k][seq] = p.Columns[3].Strings[i]
		}
	}
	require.Len(t, got, len(want))
	for k, n := range want {
		require.Len(t, got[k], int(n), k)
		for seq := int64(1); seq <= n; seq++ {
			require.Equal(t, fmt.Sprintf("%s-%07d", k.Source, seq), got[k][seq])
		}
	}
}
