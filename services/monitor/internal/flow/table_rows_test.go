package flow_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
)

var scanNoon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func inferenceTable(t testing.TB, o delta.Options) *delta.Table {
	t.Helper()
	store, err := delta.NewLocal(t.TempDir())
	require.NoError(t, err)
	table, err := delta.OpenOrCreate(t.Context(), store, inference.Spec(), o)
	require.NoError(t, err)
	return table
}

// addRecords commits n records of an endpoint, a second apart, in one file.
func addRecords(t testing.TB, table *delta.Table, endpoint string, from, n int) []*inference.Record {
	t.Helper()
	var batch []*inference.Record
	for i := from; i < from+n; i++ {
		r := &inference.Record{
			RequestID: fmt.Sprint("id-", i), RequestTime: scanNoon.Add(time.Duration(i) * time.Second), Endpoint: endpoint,
			ServedEntity: fmt.Sprint("v", i%2), ModelVersion: "models:/a.b.c/1", PromptVersion: "prompts:/a.b.p/2", Requester: fmt.Sprint("u", i%5),
			Task: "chat", Stream: i%3 == 0, StatusCode: int64(200 + i%2*300), ErrorReason: []string{"", "BROKEN"}[i%2], ExecutionDuration: int64(1000*i + 7),
			TTFT: int64(i % 4 * 1500), Queue: int64(i), InputTokens: int64(i), OutputTokens: int64(2 * i), FinishReason: "stop",
			Request: `{"messages":[{"role":"user","content":"How long does it take?"}]}`, Response: `{"choices":[]}`, TrafficBucket: -1, Source: "gw", Epoch: 1, Seq: int64(i),
		}
		inference.Prepare(r, inference.DefaultLimits(), scanNoon)
		batch = append(batch, r)
	}
	_, err := table.Append(t.Context(), inference.Partition(batch[0].Day(), endpoint), inference.Batch(batch))
	require.NoError(t, err)
	return batch
}

func everyColumn() []string {
	var out []string
	for _, c := range domain.MonitorColumns() {
		out = append(out, c.Name)
	}
	return out
}

func TestAScanGivesEveryMonitorColumnOfEachMatchingRowOnce(t *testing.T) {
	t.Parallel()
	table := inferenceTable(t, inference.TableOptions())
	var all []*inference.Record
	for f := range 7 {
		all = append(all, addRecords(t, table, "chat", f*300, 300)...)
		addRecords(t, table, "other", f*300, 10)
	}
	spans := []flow.Query{
		{Endpoint: "chat", SinceVersion: -1},
		{Endpoint: "chat", From: scanNoon.Add(450 * time.Second), To: scanNoon.Add(1200 * time.Second), SinceVersion: -1},
		{Endpoint: "chat", From: scanNoon.Add(450*time.Second + 1), To: scanNoon.Add(1200*time.Second + 1), ServedEntity: "v1", SinceVersion: -1},
		{Endpoint: "chat", To: scanNoon, SinceVersion: -1},
		{Endpoint: "nobody", SinceVersion: -1},
	}
	for _, q := range spans {
		q.Columns = everyColumn()
		want := map[int64]*inference.Record{}
		for _, r := range all {
			if (q.From.IsZero() || !r.RequestTime.Before(q.From)) && (q.To.IsZero() || r.RequestTime.Before(q.To)) && (q.ServedEntity == "" || r.ServedEntity == q.ServedEntity) && q.Endpoint == "chat" {
				want[r.RequestTime.UnixMicro()] = r
			}
		}
		got := 0
		err := flow.TableRows{Table: table}.Scan(t.Context(), q, func(c flow.Columns) error {
			require.Equal(t, table.Snapshot().Version(), c.TableVersion)
			require.Len(t, c.RequestTime, c.Len)
			got += c.Len
			for i, us := range c.RequestTime {
				r := want[us]
				require.NotNil(t, r, us)
				delete(want, us)
				requireRow(t, c, i, r)
			}
			return nil
		})
		require.NoError(t, err)
		require.Empty(t, want)
		if q.Endpoint == "nobody" {
			require.Zero(t, got)
		}
	}
}

func requireRow(t *testing.T, c flow.Columns, i int, r *inference.Record) {
	t.Helper()
	floats := map[string]float64{"execution_duration_ms": float64(r.ExecutionDuration) / 1000, "ttft_ms": float64(r.TTFT) / 1000, "queue_ms": float64(r.Queue) / 1000}
	ints := map[string]int64{
		"input_tokens": r.InputTokens, "output_tokens": r.OutputTokens, "prompt_chars": r.PromptChars, "response_chars": r.ResponseChars,
		"request_bytes": r.RequestBytes, "response_bytes": r.ResponseBytes, "status_code": r.StatusCode,
	}
	texts := map[string]string{
		"lang": r.Lang, "finish_reason": r.FinishReason, "served_entity": r.ServedEntity, "stream": strconv.FormatBool(r.Stream), "model_version": r.ModelVersion,
		"prompt_version": r.PromptVersion, "requester": r.Requester, "task": r.Task, "error_reason": r.ErrorReason,
	}
	require.Len(t, c.Float64, len(floats))
	require.Len(t, c.Int64, len(ints))
	require.Len(t, c.String, len(texts))
	for name, want := range floats {
		col := c.Float64[name]
		require.Len(t, col.Values, c.Len)
		require.Equal(t, want == 0 && name == "ttft_ms", col.Null != nil && col.Null[i], name)
		require.InDelta(t, want, col.Values[i], 1e-9, name)
	}
	for name, want := range ints {
		require.Equal(t, want, c.Int64[name].Values[i], name)
	}
	for name, want := range texts {
		col := c.String[name]
		require.Equal(t, want == "", col.Null != nil && col.Null[i], name)
		require.Equal(t, want, col.Values[i], name)
	}
}

func TestAScanSinceAVersionMissesNoNewRow(t *testing.T) {
	t.Parallel()
	o := inference.TableOptions()
	o.CheckpointEvery = 4
	table := inferenceTable(t, o)
	for f := range 10 {
		addRecords(t, table, "chat", f*10, 10)
	}
	version := table.Snapshot().Version()
	addRecords(t, table, "chat", 1000, 10)
	rows := func(table *delta.Table, since int64) (n int, newest int) {
		err := flow.TableRows{Table: table}.Scan(t.Context(), flow.Query{Endpoint: "chat", SinceVersion: since}, func(c flow.Columns) error {
			n += c.Len
			for _, us := range c.RequestTime {
				if us >= scanNoon.Add(1000*time.Second).UnixMicro() {
					newest++
				}
			}
			return nil
		})
		require.NoError(t, err)
		return n, newest
	}
	n, newest := rows(table, version)
	require.Equal(t, 10, n, "only the new file")
	require.Equal(t, 10, newest)
	n, _ = rows(table, version+1)
	require.Zero(t, n)
	// A process that starts later knows less and gives more, never less.
	again, err := delta.Open(t.Context(), table.Store(), o)
	require.NoError(t, err)
	_, newest = rows(again, version)
	require.Equal(t, 10, newest)
	_, err = table.Optimize(t.Context(), delta.CompactOptions{Fan: 2})
	require.NoError(t, err)
	_, newest = rows(table, version)
	require.Equal(t, 10, newest, "a joined file holds new rows too")
}

func TestAScanEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	table := inferenceTable(t, inference.TableOptions())
	for f := range 6 {
		addRecords(t, table, "chat", f*10, 10)
	}
	enough := errors.New("enough")
	calls := 0
	err := flow.TableRows{Table: table}.Scan(t.Context(), flow.Query{Endpoint: "chat", SinceVersion: -1}, func(flow.Columns) error {
		calls++
		return enough
	})
	require.ErrorIs(t, err, enough)
	require.Equal(t, 1, calls)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = flow.TableRows{Table: table}.Scan(ctx, flow.Query{Endpoint: "chat", SinceVersion: -1}, func(flow.Columns) error { return nil })
	require.ErrorIs(t, err, context.Canceled)
}

// BenchmarkScan is rows of all standard columns out of large files.
func BenchmarkScan(b *testing.B) {
	table := inferenceTable(b, inference.TableOptions())
	const files, each = 8, 25_000
	for f := range files {
		addRecords(b, table, "chat", f*each, each)
	}
	q := flow.Query{Endpoint: "chat", Columns: domain.StandardColumns(), SinceVersion: -1}
	for b.Loop() {
		n := 0
		if err := (flow.TableRows{Table: table}).Scan(b.Context(), q, func(c flow.Columns) error { n += c.Len; return nil }); err != nil {
			b.Fatal(err)
		}
		if n != files*each {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(files*each*b.N)/b.Elapsed().Seconds(), "rows/s")
}
