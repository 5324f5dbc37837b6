package journal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/id"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/journal"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func open(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(journal.Options{
		WAL:     wal.Options{Dir: dir, SegmentBytes: 16 << 10, CapBytes: 64 << 10, IDs: id.UUIDv7()},
		MaxBody: 1000, Clock: clock.NewFake(noon),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func rows(t *testing.T, j *journal.Journal) []*monitorv1.InferenceRecord {
	t.Helper()
	r := j.Log().ReadPending()
	defer r.Close()
	var found []*monitorv1.InferenceRecord
	for {
		row, ok, err := r.TryNext()
		require.NoError(t, err)
		if !ok {
			return found
		}
		record, err := j.Row(row)
		require.NoError(t, err)
		found = append(found, record)
	}
}

func begin() *monitorv1.InferenceRecord {
	return &monitorv1.InferenceRecord{
		RequestId: "r1", Endpoint: "chat", Requester: "ann", RequestTime: timestamppb.New(noon), TrafficBucket: -1, Stream: true,
		Request: []byte(`{"model":"chat"}`), RequestBytes: 16,
	}
}

func TestTwoHalvesMakeARow(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	ticket, err := j.Begin(begin())
	require.NoError(t, err)
	require.NoError(t, j.End(ticket, &monitorv1.InferenceRecord{
		StatusCode: 200, ServedEntity: "m", Response: []byte("{}"), ResponseText: "hé", InputTokens: 3, OutputTokens: 4, FinishReason: "stop",
	}))
	want := begin()
	want.StatusCode, want.ServedEntity, want.Response, want.ResponseText = 200, "m", []byte("{}"), "hé"
	want.InputTokens, want.OutputTokens, want.FinishReason = 3, 4, "stop"
	require.Empty(t, cmp.Diff([]*monitorv1.InferenceRecord{want}, rows(t, j), protocmp.Transform()))
}

func TestARefusedRequestIsARowAtOnce(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	refused := begin()
	refused.StatusCode, refused.ErrorReason = 403, "PERMISSION_DENIED"
	require.NoError(t, j.Whole(refused))
	ticket, err := j.Begin(begin())
	require.NoError(t, err)
	require.NoError(t, j.End(ticket, &monitorv1.InferenceRecord{StatusCode: 200})) // a strict row: the one before is synced with it
	require.EqualValues(t, 403, rows(t, j)[0].GetStatusCode())
	require.EqualValues(t, 2, j.Log().Stats().Admitted)
}

func TestARequestOfADeadGatewaySaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir)
	_, err := j.Begin(begin())
	require.NoError(t, err)
	require.NoError(t, j.Close())
	want := begin()
	want.LoggingErrorCodes = []string{journal.ResponseNotCaptured}
	require.Empty(t, cmp.Diff([]*monitorv1.InferenceRecord{want}, rows(t, open(t, dir)), protocmp.Transform()))
}

func TestLongBodiesAreCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	long := begin()
	long.Request = []byte(strings.Repeat("é", 501) + "x")
	ticket, err := j.Begin(long)
	require.NoError(t, err)
	require.NoError(t, j.End(ticket, &monitorv1.InferenceRecord{ResponseText: "x" + strings.Repeat("é", 500), Response: []byte("short")}))
	row := rows(t, j)[0]
	require.Equal(t, strings.Repeat("é", 500), string(row.GetRequest()))
	require.Equal(t, "x"+strings.Repeat("é", 499), row.GetResponseText())
	require.Equal(t, "short", string(row.GetResponse()))
	require.Equal(t, []string{journal.RequestTooLarge, journal.ResponseTooLarge}, row.GetLoggingErrorCodes())
}

func TestWhatIsNotTextDoesNotStopTheLog(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	bad := begin()
	bad.ClientRequestId, bad.Endpoint, bad.Request = "a\xff", "\xfe", []byte("\xff\xfe")
	ticket, err := j.Begin(bad)
	require.NoError(t, err)
	require.NoError(t, j.End(ticket, &monitorv1.InferenceRecord{ResponseText: "b\xff"}))
	row := rows(t, j)[0]
	require.Equal(t, "a\ufffd", row.GetClientRequestId())
	require.Equal(t, "b\ufffd", row.GetResponseText())
	require.Equal(t, "\xff\xfe", string(row.GetRequest()), "the body is kept as it came")
}

func TestANearlyFullLogShedsBodiesAndSaysSo(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	for j.Log().Level() < wal.Shed {
		body := begin()
		body.Request = []byte(strings.Repeat("x", 900))
		ticket, err := j.Begin(body)
		require.NoError(t, err)
		require.NoError(t, j.End(ticket, &monitorv1.InferenceRecord{StatusCode: 200}))
	}
	ticket, err := j.Begin(begin())
	require.NoError(t, err)
	require.NoError(t, j.End(ticket, &monitorv1.InferenceRecord{ResponseText: "gone", OutputTokens: 5}))
	all := rows(t, j)
	last := all[len(all)-1]
	require.Empty(t, last.GetRequest())
	require.EqualValues(t, 16, last.GetRequestBytes(), "its size is known")
	require.EqualValues(t, 5, last.GetOutputTokens())
	require.Equal(t, []string{journal.PayloadShed, journal.PayloadShed}, last.GetLoggingErrorCodes())
}

func TestALostRowHasAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	one, err := j.Row(wal.Row{Epoch: 1, Seq: 5, Lost: true})
	require.NoError(t, err)
	again, err := j.Row(wal.Row{Epoch: 1, Seq: 5, Lost: true})
	require.NoError(t, err)
	other, err := j.Row(wal.Row{Epoch: 1, Seq: 6, Lost: true})
	require.NoError(t, err)
	require.Equal(t, one.GetRequestId(), again.GetRequestId())
	require.NotEqual(t, one.GetRequestId(), other.GetRequestId())
	require.Len(t, one.GetRequestId(), 36)
	require.Equal(t, []string{journal.RowLost}, one.GetLoggingErrorCodes())
}

func TestAJournalThatCannotOpenSaysWhy(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := journal.Open(journal.Options{WAL: wal.Options{Dir: filepath.Join(file, "wal"), IDs: id.UUIDv7()}})
	require.Error(t, err)
}
