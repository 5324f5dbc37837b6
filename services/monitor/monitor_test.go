package monitor_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/ingest"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// onBoth runs a test with each store below the service.
func onBoth(t *testing.T, test func(t *testing.T, store config.Secret)) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, "") })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, config.Secret(testkit.Postgres(t))) })
}

func TestARecordComesBackAsItWasShippedWithWhatTheMonitorFound(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, store config.Secret) {
		n := start(t, func(o *options) { o.config.Store.URL = store })
		r := &monitorv1.InferenceRecord{
			RequestId: "0198c0de-0000-7000-8000-000000000001", ClientRequestId: "mine", TraceId: strings.Repeat("a", 32), SpanId: strings.Repeat("b", 16),
			RequestTime: timestamppb.New(time.Date(2026, 3, 4, 23, 59, 59, 999_999_000, time.UTC)), Endpoint: "a/b ü", ServedEntity: "v2",
			ModelVersion: "models:/main.demo.bot/3", PromptVersion: "prompts:/main.demo.p/2", Requester: "ada", Task: "chat", TrafficBucket: -1, Stream: true,
			StatusCode: 499, ErrorReason: "CLIENT_CLOSED", ExecutionDurationUs: 1_234_567, TtftUs: 89, QueueUs: 3, InputTokens: 4, OutputTokens: 5, UsageEstimated: true,
			FinishReason: "length", Request: []byte(`{"messages":[{"role":"user","content":"Wie lange dauert der Versand nach Österreich?"}]}`),
			Response: []byte("Der Versand dauert"), ResponseText: "Der Versand dauert", RequestBytes: 99, ResponseBytes: 200,
			LoggingErrorCodes: []string{"MAX_RESPONSE_SIZE_EXCEEDED"}, SessionId: "s-1", ConfigRevision: 12,
		}
		deliver(t, n, "gw", 4, r)
		want := proto.Clone(r).(*monitorv1.InferenceRecord)
		want.Lang, want.PromptChars, want.ResponseChars, want.WalSource, want.WalSeq = "de", 45, 18, "gw", 1
		got, err := n.GetInference(admin(t.Context()), &monitorv1.GetInferenceRequest{RequestId: r.GetRequestId()})
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got.GetInference(), protocmp.Transform()))
		page, err := n.QueryInferences(admin(t.Context()), &monitorv1.QueryInferencesRequest{Endpoint: "a/b ü", OmitBodies: true})
		require.NoError(t, err)
		want.Request, want.Response, want.ResponseText = nil, nil, ""
		require.Empty(t, cmp.Diff([]*monitorv1.InferenceRecord{want}, page.GetInferences(), protocmp.Transform()))
	})
}

func TestQueriesAnswerInPagesAndSayWhatTheyCost(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	deliver(t, n, "gw", 1, batch("gw", 1, 250)...)
	var got []string
	token := ""
	for {
		p, err := n.QueryInferences(admin(t.Context()), &monitorv1.QueryInferencesRequest{
			Endpoint: "chat", StartTime: timestamppb.New(noon.Add(50 * time.Second)), EndTime: timestamppb.New(noon.Add(200 * time.Second)),
			Requester: "ada", PageSize: 7, PageToken: token, OmitBodies: true,
		})
		require.NoError(t, err)
		require.Positive(t, p.GetFilesRead())
		require.Positive(t, p.GetFilesPruned(), "the other endpoint's files stay closed")
		for _, r := range p.GetInferences() {
			got = append(got, r.GetRequestId())
		}
		if token = p.GetNextPageToken(); token == "" {
			break
		}
	}
	var want []string
	for i := int64(199); i >= 50; i-- {
		if i%2 == 0 && i%3 == 0 {
			want = append(want, fmt.Sprintf("gw-%07d", i))
		}
	}
	require.Equal(t, want, got)
	for _, bad := range []*monitorv1.QueryInferencesRequest{
		{PageToken: "x"}, {PageSize: 1001}, {StatusCode: -1}, {StartTime: timestamppb.New(noon), EndTime: timestamppb.New(noon)},
	} {
		_, err := n.QueryInferences(admin(t.Context()), bad)
		require.True(t, fault.Is(err, fault.Invalid), "%v: %v", bad, err)
	}
}

func TestWhoMayReadWhichRequests(t *testing.T) {
	t.Parallel()
	n := start(t, func(o *options) {
		o.grants.visible = map[string][]string{"chat": {"ada", "bob", "boss"}}
		o.grants.allowed = map[string][]string{"chat PRIVILEGE_MANAGE": {"boss"}, "chat PRIVILEGE_EXECUTE": {"ada", "boss"}}
	})
	deliver(t, n, "gw", 1, append(batch("gw", 1, 30), &monitorv1.InferenceRecord{RequestId: "nowhere", RequestTime: timestamppb.New(noon), StatusCode: 401, Requester: "ada"})...)
	query := func(who, endpoint, requester string, groups ...string) (int, error) {
		p, err := n.QueryInferences(as(t.Context(), who, groups...), &monitorv1.QueryInferencesRequest{Endpoint: endpoint, Requester: requester})
		return len(p.GetInferences()), err
	}
	for _, c := range []struct {
		who, endpoint, requester string
		groups                   []string
		rows                     int
		kind                     fault.Kind
		what                     string
	}{
		{who: "boss", endpoint: "chat", rows: 15, what: "MANAGE reads all"},
		{who: "boss", endpoint: "chat", requester: "ada", rows: 5, what: "and anybody's"},
		{who: "ada", endpoint: "chat", kind: fault.PermissionDenied, what: "EXECUTE does not read others"},
		{who: "ada", endpoint: "chat", requester: "ada", rows: 5, what: "but one's own"},
		{who: "ada", endpoint: "chat", requester: "bob", kind: fault.PermissionDenied, what: "not somebody else's"},
		{who: "bob", endpoint: "chat", requester: "bob", kind: fault.PermissionDenied, what: "no grant, but visible"},
		{who: "eve", endpoint: "chat", kind: fault.NotFound, what: "not even visible"},
		{who: "ada", kind: fault.PermissionDenied, what: "all endpoints are for administrators"},
		{who: "ada", requester: "ada", kind: fault.PermissionDenied, what: "even for one's own"},
		{who: "root", groups: []string{"admins"}, rows: 31, what: "administrators read all"},
	} {
		rows, err := query(c.who, c.endpoint, c.requester, c.groups...)
		require.Equal(t, c.kind, fault.KindOf(err), "%s: %v", c.what, err)
		require.Equal(t, c.rows, rows, c.what)
	}
	get := func(who, id string) error {
		_, err := n.GetInference(as(t.Context(), who), &monitorv1.GetInferenceRequest{RequestId: id})
		return err
	}
	mine, others := fmt.Sprintf("gw-%07d", 6), fmt.Sprintf("gw-%07d", 8) // ada's and eve's, of chat
	require.NoError(t, get("ada", mine))
	require.NoError(t, get("boss", others))
	require.NoError(t, get("ada", "nowhere"))
	hidden := get("ada", others)
	missing := get("ada", "not there")
	require.True(t, fault.Is(hidden, fault.NotFound))
	require.Equal(t, strings.Replace(fault.Text(missing), "not there", others, 1), fault.Text(hidden), "a hidden request reads like a missing one")
	require.True(t, fault.Is(get("boss", "nowhere"), fault.NotFound), "no endpoint: only its requester and administrators")

	_, err := n.GetLogAudit(as(t.Context(), "boss"), &monitorv1.GetLogAuditRequest{})
	require.True(t, fault.Is(err, fault.PermissionDenied))
	for _, ctx := range []context.Context{as(t.Context(), "ada"), admin(t.Context())} {
		stream, err := n.Ingest(ctx)
		require.NoError(t, err)
		require.NoError(t, stream.Send(&monitorv1.IngestRequest{SourceId: "x", FirstSeq: 1}))
		_, err = stream.Recv()
		require.True(t, fault.Is(err, fault.PermissionDenied), "%v", err)
	}
}

func TestIngestRefusesWhatItCannotPlace(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	for name, c := range map[string]struct {
		sent   []*monitorv1.IngestRequest
		kind   fault.Kind
		reason string
		text   string
	}{
		"a gap": {
			[]*monitorv1.IngestRequest{{SourceId: "gap", FirstSeq: 1, Records: batch("gap", 1, 3)}, {SourceId: "gap", FirstSeq: 5, Records: batch("gap", 5, 6)}},
			fault.FailedPrecondition, "INGEST_SEQUENCE_GAP", "record 4 is expected, the batch begins with 5",
		},
		"a number below 1":  {[]*monitorv1.IngestRequest{{SourceId: "zero", FirstSeq: 0, Records: batch("zero", 1, 1)}}, fault.Invalid, "INGEST_NUMBER_INVALID", "numbered from 1"},
		"another log":       {[]*monitorv1.IngestRequest{{SourceId: "one"}, {SourceId: "two"}}, fault.Invalid, "INGEST_SOURCE_CHANGED", "one log"},
		"another epoch":     {[]*monitorv1.IngestRequest{{SourceId: "one"}, {SourceId: "one", Epoch: 2}}, fault.Invalid, "INGEST_SOURCE_CHANGED", "one log"},
		"no source":         {[]*monitorv1.IngestRequest{{FirstSeq: 1}}, fault.Invalid, "INGEST_SOURCE_INVALID", "source_id"},
		"a source of NUL":   {[]*monitorv1.IngestRequest{{SourceId: "a\x00"}}, fault.Invalid, "INGEST_SOURCE_INVALID", "printable"},
		"a negative epoch":  {[]*monitorv1.IngestRequest{{SourceId: "a", Epoch: -1}}, fault.Invalid, "INGEST_SOURCE_INVALID", "epoch"},
		"a source too long": {[]*monitorv1.IngestRequest{{SourceId: strings.Repeat("x", 129)}}, fault.Invalid, "INGEST_SOURCE_INVALID", "128"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream, err := n.Ingest(gateway(t.Context()))
			require.NoError(t, err)
			for _, m := range c.sent {
				if err := stream.Send(m); err != nil {
					require.ErrorIs(t, err, io.EOF) // refused already; Recv says why
				}
			}
			for err == nil {
				_, err = stream.Recv()
			}
			require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
			require.Equal(t, c.reason, fault.Reason(err))
			require.Contains(t, fault.Text(err), c.text)
		})
	}
}

func TestARecordThatCannotBeStoredAsItIsIsStoredAllTheSame(t *testing.T) {
	t.Parallel()
	n := start(t, func(o *options) { o.config.Ingest.MaxBody = 1000 })
	r := record("gw", 1)
	r.Request = []byte("{\"messages\":[{\"role\":\"user\",\"content\":\"\xff" + strings.Repeat("long ", 1000) + "\"}]}")
	r.RequestTime, r.RequestId = nil, ""
	deliver(t, n, "gw", 1, r, record("gw", 2))
	p, err := n.QueryInferences(admin(t.Context()), &monitorv1.QueryInferencesRequest{})
	require.NoError(t, err)
	require.Len(t, p.GetInferences(), 2)
	got := p.GetInferences()[0] // now is newer than the other's time
	require.ElementsMatch(t, []string{"INVALID_UTF8", "MAX_REQUEST_SIZE_EXCEEDED", "INVALID_REQUEST_TIME", "MISSING_REQUEST_ID"}, got.GetLoggingErrorCodes())
	require.Equal(t, "gw/1/1", got.GetRequestId())
	require.Greater(t, got.GetRequestBytes(), int64(5000))
	require.LessOrEqual(t, len(got.GetRequest()), 1000+2)
}

func TestTheAuditCountsWhatIsThere(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, store config.Secret) {
		n := start(t, func(o *options) { o.config.Store.URL = store })
		deliver(t, n, "gw", 1, batch("gw", 1, 40)...)
		deliver(t, n, "gw", 2, batch("gw", 1, 10)...) // the same ids under another epoch
		deliver(t, n, "other", 1, batch("other", 1, 5)...)
		a, err := n.GetLogAudit(admin(t.Context()), &monitorv1.GetLogAuditRequest{Verify: true})
		require.NoError(t, err)
		require.Empty(t, cmp.Diff([]*monitorv1.SourceAudit{
			{SourceId: "gw", Epoch: 1, AckedSeq: 40, Rows: 40, DistinctRequestIds: 40},
			{SourceId: "gw", Epoch: 2, AckedSeq: 10, Rows: 10, DistinctRequestIds: 10},
			{SourceId: "other", Epoch: 1, AckedSeq: 5, Rows: 5, DistinctRequestIds: 5},
		}, a.GetSources(), protocmp.Transform()))
		require.EqualValues(t, 55, a.GetRows())
		require.Equal(t, "file://"+filepath.Join(n.data, "inference_log"), a.GetTableUri())
		require.EqualValues(t, 3, a.GetTableVersion())
		require.EqualValues(t, 6, a.GetFiles())
		require.Positive(t, a.GetSizeBytes())
		require.WithinDuration(t, time.Now(), a.GetLastCommitTime().AsTime(), time.Minute)
		quick, err := n.GetLogAudit(admin(t.Context()), &monitorv1.GetLogAuditRequest{})
		require.NoError(t, err)
		require.Zero(t, quick.GetSources()[0].GetRows(), "counted only when asked")
		require.EqualValues(t, 55, quick.GetRows())
	})
}

func TestATableThatWentBackIsAnIncident(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	first := start(t, func(o *options) { o.data = data })
	deliver(t, first, "gw", 1, batch("gw", 1, 40)...)
	require.NoError(t, first.stop(t.Context()))
	// Somebody restores a backup from before.
	require.NoError(t, os.RemoveAll(filepath.Join(data, "inference_log")))
	second := start(t, func(o *options) { o.data = data })
	_, err := second.GetLogAudit(admin(t.Context()), &monitorv1.GetLogAuditRequest{})
	require.True(t, fault.Is(err, fault.DataLoss), "%v", err)
	require.Equal(t, "ACKNOWLEDGED_ROWS_MISSING", fault.Reason(err))
	// What the sender has is taken all the same, from where the table is.
	stream, err := second.Ingest(gateway(t.Context()))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&monitorv1.IngestRequest{SourceId: "gw", Epoch: 1}))
	hello, err := stream.Recv()
	require.NoError(t, err)
	require.Zero(t, hello.GetAckedSeq())
}

func TestASenderIsToldAgainWhatIsDurable(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	deliver(t, n, "gw", 1, batch("gw", 1, 20)...)
	stream, err := n.Ingest(gateway(t.Context()))
	require.NoError(t, err)
	ack := func() int64 {
		t.Helper()
		r, err := stream.Recv()
		require.NoError(t, err)
		return r.GetAckedSeq()
	}
	require.NoError(t, stream.Send(&monitorv1.IngestRequest{SourceId: "gw", Epoch: 1}))
	require.EqualValues(t, 20, ack(), "the first answer says what is there")
	require.NoError(t, stream.Send(&monitorv1.IngestRequest{SourceId: "gw", Epoch: 1, FirstSeq: 5, Records: batch("gw", 5, 15)}))
	require.EqualValues(t, 20, ack(), "old records are answered at once")
	require.NoError(t, stream.Send(&monitorv1.IngestRequest{SourceId: "gw", Epoch: 1, FirstSeq: 18, Records: batch("gw", 18, 25)}))
	require.EqualValues(t, 25, ack())
	require.NoError(t, n.stop(t.Context()))
	requireLog(t, n.data, map[ingest.Key]int64{{Source: "gw", Epoch: 1}: 25})
}

func TestStoppingCommitsWhatWasTaken(t *testing.T) {
	t.Parallel()
	n := start(t, func(o *options) { o.config.Ingest.FlushInterval = config.Duration(time.Hour) })
	stream, err := n.Ingest(gateway(t.Context()))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&monitorv1.IngestRequest{SourceId: "gw", Epoch: 1}))
	_, err = stream.Recv()
	require.NoError(t, err)
	require.NoError(t, stream.Send(&monitorv1.IngestRequest{SourceId: "gw", Epoch: 1, FirstSeq: 1, Records: batch("gw", 1, 12)}))
	testkit.Eventually(t, testkit.Patience, func() bool { return n.service.Pending() == 12 }, "in line")
	var acked int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			r, err := stream.Recv()
			if err != nil {
				if !fault.Is(err, fault.Unavailable) {
					t.Errorf("the stream ended with %v", err)
				}
				return
			}
			acked = r.GetAckedSeq()
		}
	})
	require.NoError(t, n.stop(t.Context()))
	wg.Wait()
	require.EqualValues(t, 12, acked, "and says so before it goes")
	requireLog(t, n.data, map[ingest.Key]int64{{Source: "gw", Epoch: 1}: 12})
}

func TestManySendersShipAtOnceAndAMonitorReadsMeanwhile(t *testing.T) {
	t.Parallel()
	n := start(t, func(o *options) { o.config.Table.CompactEvery = config.Duration(20 * time.Millisecond) })
	const senders, records = 6, 400
	var wg sync.WaitGroup
	want := map[ingest.Key]int64{}
	for i := range senders {
		source := fmt.Sprint("gw-", i)
		want[ingest.Key{Source: source, Epoch: 1}] = records
		s := &sender{source: source, epoch: 1, total: records, client: n}
		wg.Go(func() { s.ship(t.Context(), t) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var seen int64
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		a, err := n.GetLogAudit(admin(t.Context()), &monitorv1.GetLogAuditRequest{Verify: true})
		require.NoError(t, err)
		var rows int64
		for _, s := range a.GetSources() {
			require.Equal(t, s.GetAckedSeq(), s.GetRows(), "rows and position are of one commit")
			require.Equal(t, s.GetRows(), s.GetDistinctRequestIds())
			rows += s.GetRows()
		}
		require.GreaterOrEqual(t, rows, seen)
		seen = rows
	}
	require.EqualValues(t, senders*records, seen)
	require.NoError(t, n.stop(t.Context()))
	requireLog(t, n.data, want)
}

func TestTheWholeServiceWatchesWhatWasShipped(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	deliver(t, n, "gw", 1, batch("gw", 1, 200)...)
	ctx := admin(t.Context())
	_, err := n.CreateMonitor(ctx, &monitorv1.CreateMonitorRequest{Monitor: &monitorv1.Monitor{Name: "chat-watch", Endpoint: "chat", Granularity: "1d"}})
	require.NoError(t, err)
	_, err = n.RefreshMonitor(ctx, &monitorv1.RefreshMonitorRequest{Name: "chat-watch", Window: &monitorv1.TimeWindow{Start: timestamppb.New(noon), End: timestamppb.New(noon.Add(time.Hour))}})
	require.NoError(t, err)
	metrics, err := n.ListProfileMetrics(ctx, &monitorv1.ListProfileMetricsRequest{Name: "chat-watch", Column: "prompt_chars", PageSize: 1000})
	require.NoError(t, err)
	var counted int64
	for _, m := range metrics.GetProfileMetrics() {
		if m.GetSliceKey() == "" {
			counted += m.GetCount()
		}
	}
	require.EqualValues(t, 100, counted, "every request to the endpoint is in one window")
	judge := func(who, id string) error {
		_, err := n.CreateFeedback(as(t.Context(), who), &monitorv1.CreateFeedbackRequest{RequestId: id, Endpoint: "chat", Name: "thumbs", Value: structpb.NewBoolValue(true)})
		return err
	}
	require.NoError(t, judge("ada", fmt.Sprintf("gw-%07d", 6)), "who asked may judge, without a grant")
	require.Error(t, judge("ada", fmt.Sprintf("gw-%07d", 8)), "another's answer")
}

func TestARequestsTraceEndsWithTheCommitOfItsRecord(t *testing.T) {
	t.Parallel()
	traces := testkit.NewTraces(t)
	n := start(t, func(o *options) { o.traces = traces })
	r := record("gw", 1)
	r.TraceId, r.SpanId = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	bad := record("gw", 2)
	bad.TraceId, bad.SpanId = "not hex", "b7ad6b7169203331"
	deliver(t, n, "gw", 1, r, bad)
	span := traces.Find(t, "the commit", func(s testkit.Span) bool { return s.Name == "inference_log append" })
	require.Equal(t, r.GetTraceId(), span.TraceID)
	require.Equal(t, r.GetSpanId(), span.ParentID)
	require.Equal(t, "monitor", span.Service)
	require.Equal(t, "gw-0000001", span.Attributes["slipway.request_id"])
	require.Equal(t, "1", span.Attributes["slipway.table.version"])
}

func TestReadinessIsTheTablesAndTheStores(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	require.NoError(t, n.service.Ready(t.Context()))
	log := filepath.Join(n.data, "inference_log", "_delta_log")
	require.NoError(t, os.Rename(log, log+".away"))
	require.NoError(t, os.WriteFile(log, nil, 0o600)) // not a folder any more
	require.True(t, fault.Is(n.service.Ready(t.Context()), fault.Unavailable))
	require.NoError(t, os.Remove(log))
	require.NoError(t, os.Rename(log+".away", log))
	require.NoError(t, n.service.Ready(t.Context()))
}
