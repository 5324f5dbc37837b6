package flow_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow/flowtest"
	"github.com/slipway-ai/slipway/services/monitor/internal/store"
)

// columnar is an inference table that hands out one prepared batch again and again:
// what a refresh costs apart from reading files.
type columnar struct {
	batch  flow.Columns
	repeat int
}

func (c *columnar) Scan(_ context.Context, _ flow.Query, each func(flow.Columns) error) error {
	for range c.repeat {
		if err := each(c.batch); err != nil {
			return err
		}
	}
	return nil
}

func prepared(rows int) flow.Columns {
	rng := rand.New(rand.NewPCG(1, 1))
	b := flow.Columns{Len: rows, RequestTime: make([]int64, rows), Float64: map[string]flow.Float64s{}, Int64: map[string]flow.Int64s{}, String: map[string]flow.Strings{}}
	for i := range b.RequestTime {
		b.RequestTime[i] = t0.Add(time.Duration(i) * time.Millisecond).UnixMicro()
	}
	names := map[string][]string{"lang": {"en", "de", "ja", "sv"}, "finish_reason": {"stop", "length"}, "served_entity": {"a", "b"}}
	for _, col := range domain.MonitorColumns() {
		switch {
		case col.Name == domain.ColumnStatusCode:
			c := flow.Int64s{Values: make([]int64, rows)}
			for i := range c.Values {
				c.Values[i] = []int64{200, 200, 200, 200, 429, 500}[rng.IntN(6)]
			}
			b.Int64[col.Name] = c
		case col.Kind == domain.Categorical:
			of := names[col.Name]
			if of == nil {
				of = []string{"true", "false"}
			}
			c := flow.Strings{Values: make([]string, rows)}
			for i := range c.Values {
				c.Values[i] = of[rng.IntN(len(of))]
			}
			b.String[col.Name] = c
		case strings.HasSuffix(col.Name, "_ms"):
			c := flow.Float64s{Values: make([]float64, rows)}
			for i := range c.Values {
				c.Values[i] = float64(int(rng.ExpFloat64()*2e5)) / 1000
			}
			b.Float64[col.Name] = c
		default:
			c := flow.Int64s{Values: make([]int64, rows)}
			for i := range c.Values {
				c.Values[i] = int64(rng.ExpFloat64() * 300)
			}
			b.Int64[col.Name] = c
		}
	}
	return b
}

// BenchmarkRefresh profiles a million rows of the eleven standard columns, for all
// rows and for two served entities, and compares them with a baseline.
func BenchmarkRefresh(b *testing.B) {
	const rows, repeat = 8192, 122
	table := &columnar{batch: prepared(rows), repeat: 1}
	memory := store.NewMonitorStore(testkit.OpenStore(b, testkit.SQLite(b), os.DirFS("../store/migrations")))
	f := &flow.Monitors{Memory: memory, Rows: table, Access: &flowtest.Access{}, Clock: clock.System(), IDs: id.UUIDv7(), Log: slog.New(slog.DiscardHandler)}
	ctx := auth.With(b.Context(), auth.Service("monitor"))
	w := domain.Window{Start: t0, End: t0.Add(time.Hour)}
	m := monitor()
	m.Baseline = w
	if _, err := f.CreateMonitor(ctx, m, nil); err != nil {
		b.Fatal(err)
	}
	table.repeat = repeat
	w.End = w.End.Add(time.Hour)
	for b.Loop() {
		if _, err := f.RefreshMonitor(ctx, "m", w); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows*repeat*11), "ns/value")
}
