package watch_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow/flowtest"
	"github.com/slipway-ai/slipway/services/monitor/internal/watch"
	"github.com/slipway-ai/slipway/services/monitor/internal/work"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

var t0 = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// platform is the watching half behind a real gRPC server, as a door would run it.
type platform struct {
	db     *sqlkit.DB
	log    *flowtest.Log
	access *flowtest.Access
	conn   *grpc.ClientConn
	stop   func()
}

func (p *platform) start(t *testing.T) {
	t.Helper()
	tel := telemetry.Discard()
	w, err := watch.New(watch.Settings{
		DB: p.db, Rows: p.log, Requests: p.log, Access: p.access, Clock: clock.System(), IDs: id.UUIDv7(), Log: tel.Log, Metrics: tel.Metrics,
	})
	require.NoError(t, err)
	network := link.NewNetwork()
	listener, creds, err := network.Listen("inproc:monitor", link.TLS{})
	require.NoError(t, err)
	server, err := rpc.NewServer(rpc.ServerOptions{Service: "monitor", Log: tel.Log, Telemetry: tel, Creds: creds, TrustPeers: true})
	require.NoError(t, err)
	w.Register(server)
	go func() { _ = server.Serve(listener) }()
	p.conn, err = network.Dial("inproc:monitor", link.TLS{}, rpc.DialOptions("test", tel)...)
	require.NoError(t, err)
	w.Start()
	p.stop = func() {
		_ = p.conn.Close()
		server.Stop()
		require.NoError(t, w.Stop(context.Background()))
	}
}

func rows(seed uint64, hour, n int, shift bool) []flowtest.Row {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]flowtest.Row, n)
	for i := range out {
		chars := int64(20 + rng.IntN(100))
		out[i] = flowtest.Row{
			RequestID: fmt.Sprintf("r-%d-%d", hour, i), Endpoint: "chat", At: t0.Add(time.Duration(hour)*time.Hour + time.Duration(i)*time.Second),
			ServedEntity: "champion", Requester: "bob", Status: 200, DurationMS: 40 + rng.ExpFloat64()*10, InputTokens: chars / 4, OutputTokens: 30,
			PromptChars: chars, ResponseChar: 200, Lang: []string{"en", "de"}[rng.IntN(2)], FinishReason: "stop",
		}
		if shift {
			out[i].Lang, out[i].PromptChars, out[i].InputTokens = "ja", chars+500, chars+200
		}
	}
	return out
}

func span(hour int) *monitorv1.TimeWindow {
	return &monitorv1.TimeWindow{
		Start: timestamppb.New(t0.Add(time.Duration(hour) * time.Hour)), End: timestamppb.New(t0.Add(time.Duration(hour+1) * time.Hour)),
	}
}

func TestTheWholeLifeOfAMonitorOverGRPCAndARestart(t *testing.T) {
	t.Parallel()
	testkit.EachBackend(t, os.DirFS("../store/migrations"), func(t *testing.T, db *sqlkit.DB) {
		told := testkit.NewSignal[[2]string]()
		hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			told.Fire([2]string{r.Header.Get(work.HeaderSignature), string(body)})
		}))
		t.Cleanup(hook.Close)
		p := &platform{db: db, log: &flowtest.Log{}, access: &flowtest.Access{}}
		p.access.Grant("ada", "chat", flow.Manage)
		p.log.Append(rows(1, 0, 200, false)...)
		p.log.Append(rows(2, 1, 150, false)...)
		p.log.Append(rows(3, 2, 150, true)...)
		p.start(t)
		ctx := auth.With(t.Context(), auth.Principal{Name: "ada", Kind: auth.User})
		monitors := monitorv1.NewMonitorServiceClient(p.conn)

		created, err := monitors.CreateMonitor(ctx, &monitorv1.CreateMonitorRequest{Monitor: &monitorv1.Monitor{
			Name: "chat-drift", Endpoint: "chat", Granularity: "1h", RefreshInterval: durationpb.New(0), Baseline: span(0),
			Thresholds: []*monitorv1.Threshold{{Metric: "drifted", Column: "lang"}, {Metric: "error_rate", Operator: ">", Value: 0.1, Severity: "WARNING"}},
			Webhooks:   []*monitorv1.Webhook{{Url: hook.URL, Secret: "s3cret"}},
		}})
		require.NoError(t, err)
		m := created.GetMonitor()
		require.EqualValues(t, 200, m.GetBaselineRows())
		require.True(t, m.GetWebhooks()[0].GetHasSecret())
		require.Empty(t, m.GetWebhooks()[0].GetSecret(), "a secret goes in and never comes out")
		require.Equal(t, "ada", m.GetOwner())

		same, err := monitors.RefreshMonitor(ctx, &monitorv1.RefreshMonitorRequest{Name: "chat-drift", Window: span(1)})
		require.NoError(t, err)
		require.EqualValues(t, 150, same.GetRows())
		require.Empty(t, same.GetOpenedAlerts())
		moved, err := monitors.RefreshMonitor(ctx, &monitorv1.RefreshMonitorRequest{Name: "chat-drift", Window: span(2)})
		require.NoError(t, err)
		var columns []string
		for _, d := range moved.GetDrift() {
			if d.GetDrifted() {
				columns = append(columns, d.GetColumn())
			}
		}
		require.Equal(t, []string{"input_tokens", "lang", "prompt_chars"}, columns)
		require.Len(t, moved.GetOpenedAlerts(), 1)
		require.Equal(t, t0.Add(2*time.Hour+149*time.Second), moved.GetDataTime().AsTime())

		signed := told.Wait(t)
		require.Equal(t, work.Sign("s3cret", []byte(signed[1])), signed[0])
		require.Contains(t, signed[1], `"alert.opened"`)

		// A restart forgets nothing and tells nothing twice.
		p.stop()
		p.start(t)
		monitors = monitorv1.NewMonitorServiceClient(p.conn)
		alerts := monitorv1.NewAlertServiceClient(p.conn)
		again, err := monitors.RefreshMonitor(ctx, &monitorv1.RefreshMonitorRequest{Name: "chat-drift", Window: span(2)})
		require.NoError(t, err)
		require.Empty(t, again.GetOpenedAlerts())
		open, err := alerts.ListAlerts(ctx, &monitorv1.ListAlertsRequest{Monitor: "chat-drift", State: monitorv1.AlertState_ALERT_STATE_OPEN})
		require.NoError(t, err)
		require.Len(t, open.GetAlerts(), 1)
		require.Equal(t, moved.GetOpenedAlerts()[0], open.GetAlerts()[0].GetAlertId())
		require.Contains(t, open.GetAlerts()[0].GetMessage(), "drift in lang")
		require.EqualValues(t, 1, open.GetAlerts()[0].GetDeliveries())
		back, err := monitors.RefreshMonitor(ctx, &monitorv1.RefreshMonitorRequest{Name: "chat-drift", Window: span(1)})
		require.NoError(t, err)
		require.Equal(t, moved.GetOpenedAlerts(), back.GetClosedAlerts())
		require.Contains(t, told.Wait(t)[1], `"alert.closed"`)
		told.None(t)

		// Lists, by pages.
		var drift []*monitorv1.DriftMetrics
		for token := ""; ; {
			page, err := monitors.ListDriftMetrics(ctx, &monitorv1.ListDriftMetricsRequest{Name: "chat-drift", PageSize: 4, PageToken: token})
			require.NoError(t, err)
			drift = append(drift, page.GetDriftMetrics()...)
			if token = page.GetNextPageToken(); token == "" {
				break
			}
		}
		require.Len(t, drift, 22)
		profile, err := monitors.ListProfileMetrics(ctx, &monitorv1.ListProfileMetricsRequest{Name: "chat-drift", Column: "lang", Span: span(0)})
		require.NoError(t, err)
		require.Len(t, profile.GetProfileMetrics(), 1)
		require.Equal(t, "BASELINE", profile.GetProfileMetrics()[0].GetLogType())
		_, err = monitors.ListProfileMetrics(ctx, &monitorv1.ListProfileMetricsRequest{Name: "chat-drift", PageToken: "forged"})
		require.Equal(t, fault.Invalid, fault.KindOf(err))

		m.Webhooks, m.MinRows = nil, 500
		updated, err := monitors.UpdateMonitor(ctx, &monitorv1.UpdateMonitorRequest{Monitor: m})
		require.NoError(t, err)
		require.Equal(t, m.GetVersion()+1, updated.GetMonitor().GetVersion())
		few, err := monitors.RefreshMonitor(ctx, &monitorv1.RefreshMonitorRequest{Name: "chat-drift"})
		require.NoError(t, err)
		require.EqualValues(t, 0, few.GetWindows(), "rows older than the look-back are out of reach of the system clock")
		list, err := monitors.ListMonitors(ctx, &monitorv1.ListMonitorsRequest{Endpoint: "chat"})
		require.NoError(t, err)
		require.Len(t, list.GetMonitors(), 1)
		_, err = monitors.DeleteMonitor(ctx, &monitorv1.DeleteMonitorRequest{Name: "chat-drift"})
		require.NoError(t, err)
		_, err = monitors.GetMonitor(ctx, &monitorv1.GetMonitorRequest{Name: "chat-drift"})
		require.Equal(t, fault.NotFound, fault.KindOf(err))
		p.stop()
	})
}

func TestFeedbackKeepsItsTypeOverTheWire(t *testing.T) {
	t.Parallel()
	p := &platform{db: testkit.OpenStore(t, testkit.SQLite(t), os.DirFS("../store/migrations")), log: &flowtest.Log{}, access: &flowtest.Access{}}
	p.access.Grant("bob", "chat", flow.Execute)
	p.start(t)
	t.Cleanup(p.stop)
	ctx := auth.With(t.Context(), auth.Principal{Name: "bob", Kind: auth.User})
	c := monitorv1.NewFeedbackServiceClient(p.conn)
	values := []*structpb.Value{structpb.NewBoolValue(true), structpb.NewNumberValue(0.25), structpb.NewStringValue("gut, weil …")}
	for i, v := range values {
		got, err := c.CreateFeedback(ctx, &monitorv1.CreateFeedbackRequest{
			RequestId: fmt.Sprint("r", i), Endpoint: "chat", Name: "thumbs", Value: v, Source: monitorv1.FeedbackSource_FEEDBACK_SOURCE_LLM_JUDGE,
		})
		require.NoError(t, err)
		require.Equal(t, v.AsInterface(), got.GetFeedback().GetValue().AsInterface())
		require.Equal(t, "bob", got.GetFeedback().GetCreator())
	}
	list, err := c.ListFeedback(ctx, &monitorv1.ListFeedbackRequest{Endpoint: "chat", PageSize: 2})
	require.NoError(t, err)
	require.Len(t, list.GetFeedback(), 2)
	require.NotEmpty(t, list.GetNextPageToken())
	rest, err := c.ListFeedback(ctx, &monitorv1.ListFeedbackRequest{Endpoint: "chat", PageSize: 2, PageToken: list.GetNextPageToken()})
	require.NoError(t, err)
	require.Len(t, rest.GetFeedback(), 1)
	require.Empty(t, rest.GetNextPageToken())

	for name, bad := range map[string]*monitorv1.CreateFeedbackRequest{
		"no value":   {RequestId: "r", Endpoint: "chat", Name: "x"},
		"a list":     {RequestId: "r", Endpoint: "chat", Name: "x", Value: structpb.NewListValue(&structpb.ListValue{})},
		"a null":     {RequestId: "r", Endpoint: "chat", Name: "x", Value: structpb.NewNullValue()},
		"NaN":        {RequestId: "r", Endpoint: "chat", Name: "x", Value: structpb.NewNumberValue(math.NaN())},
		"no request": {Endpoint: "chat", Name: "x", Value: structpb.NewBoolValue(true)},
		"bad source": {RequestId: "r", Endpoint: "chat", Name: "x", Value: structpb.NewBoolValue(true), Source: 99},
	} {
		_, err := c.CreateFeedback(ctx, bad)
		require.Equal(t, fault.Invalid, fault.KindOf(err), name)
	}
}

func TestABadMonitorIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	p := &platform{db: testkit.OpenStore(t, testkit.SQLite(t), os.DirFS("../store/migrations")), log: &flowtest.Log{}, access: &flowtest.Access{}}
	p.access.Grant("ada", "chat", flow.Manage)
	p.start(t)
	t.Cleanup(p.stop)
	ctx := auth.With(t.Context(), auth.Principal{Name: "ada", Kind: auth.User})
	c := monitorv1.NewMonitorServiceClient(p.conn)
	for reason, spoil := range map[string]func(*monitorv1.Monitor){
		"GRANULARITY_INVALID": func(m *monitorv1.Monitor) { m.Granularity = "fortnight" },
		"COLUMN_UNKNOWN":      func(m *monitorv1.Monitor) { m.Columns = []string{"mood"} },
		"METRIC_UNKNOWN":      func(m *monitorv1.Monitor) { m.Thresholds = []*monitorv1.Threshold{{Metric: "mood"}} },
		"WEBHOOK_URL_INVALID": func(m *monitorv1.Monitor) { m.Webhooks = []*monitorv1.Webhook{{Url: "file:///etc/passwd"}} },
		"WINDOW_INVALID": func(m *monitorv1.Monitor) {
			m.Baseline = &monitorv1.TimeWindow{Start: span(1).GetStart(), End: span(0).GetEnd()}
		},
		"BASELINE_TOO_SMALL":       func(m *monitorv1.Monitor) { m.Baseline = span(5) },
		"REFRESH_INTERVAL_INVALID": func(m *monitorv1.Monitor) { m.RefreshInterval = durationpb.New(-time.Second) },
	} {
		m := &monitorv1.Monitor{Name: "m", Endpoint: "chat"}
		spoil(m)
		_, err := c.CreateMonitor(ctx, &monitorv1.CreateMonitorRequest{Monitor: m})
		require.Error(t, err, reason)
		require.Equal(t, reason, fault.Reason(err))
	}
	_, err := c.CreateMonitor(ctx, &monitorv1.CreateMonitorRequest{Monitor: &monitorv1.Monitor{Name: "with space", Endpoint: "chat"}})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}
