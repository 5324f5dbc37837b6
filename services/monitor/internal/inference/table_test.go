package inference

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
)

// full is a record with something in every field, found by reflection so that a
// field added without a column is caught.
func full(t testing.TB, i int) *Record {
	r := &Record{}
	var fill func(v reflect.Value, path string)
	fill = func(v reflect.Value, path string) {
		for k := range v.NumField() {
			f := v.Field(k)
			name := path + v.Type().Field(k).Name
			switch f.Interface().(type) {
			case string:
				f.SetString(fmt.Sprint(name, "-", i, "-é"))
			case int64:
				f.SetInt(int64(1_000*k + i + 1))
			case float64:
				f.SetFloat(float64(i) / 16)
			case *float64:
				f.Set(reflect.ValueOf(ptr(float64(i) / 8)))
			case bool:
				f.SetBool(i%2 == 0)
			case []string:
				f.Set(reflect.ValueOf([]string{name, "x"}))
			case time.Time:
				f.Set(reflect.ValueOf(noon.Add(time.Duration(i) * time.Second)))
			case Features:
				fill(f, name+".")
			default:
				t.Fatalf("field %s of type %s", name, f.Type())
			}
		}
	}
	fill(reflect.ValueOf(r).Elem(), "")
	return r
}

func newTable(t testing.TB) *delta.Table {
	t.Helper()
	store, err := delta.NewLocal(t.TempDir())
	require.NoError(t, err)
	table, err := delta.OpenOrCreate(t.Context(), store, Spec(), TableOptions())
	require.NoError(t, err)
	return table
}

func TestEveryFieldOfARecordHasAColumn(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	var want []*Record
	for i := range 10 {
		r := full(t, i)
		r.Endpoint = "bot"
		want = append(want, r)
	}
	// The other end: a record with nothing but what it must have.
	want = append(want, &Record{RequestTime: noon, Endpoint: "bot", TrafficBucket: -1})
	_, err := table.Append(t.Context(), Partition(noon.Unix()/86400, "bot"), Batch(want))
	require.NoError(t, err)
	var got []*Record
	for p, err := range table.Scan(t.Context(), table.Snapshot(), delta.Query{Columns: AllColumns(true)}) {
		require.NoError(t, err)
		for i := range p.Rows() {
			got = append(got, At(p.Batch, i))
		}
	}
	require.Empty(t, cmp.Diff(want, got))
	names := AllColumns(false)
	require.NotContains(t, names, ColRequest)
	require.Len(t, names, len(AllColumns(true))-3)
}

func TestTheDayOfARecordIsItsPartition(t *testing.T) {
	t.Parallel()
	for text, day := range map[string]int64{
		"1970-01-01T00:00:00Z": 0, "1970-01-01T23:59:59.999999Z": 0, "1970-01-02T00:00:00Z": 1, "1969-12-31T23:59:59Z": -1, "2026-03-04T00:30:00+01:00": 20515,
	} {
		at, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		require.Equal(t, day, (&Record{RequestTime: at}).Day(), text)
	}
}

// BenchmarkPrepare is one chat of four kilobytes.
func BenchmarkPrepare(b *testing.B) {
	r := sample(0)
	b.SetBytes(int64(len(r.Request) + len(r.Response)))
	for b.Loop() {
		x := *r
		Prepare(&x, DefaultLimits(), noon)
	}
}

// BenchmarkAppend is prepared and committed rows of four kilobytes.
func BenchmarkAppend(b *testing.B) {
	for _, rows := range []int{100, 5_000} {
		b.Run(fmt.Sprint(rows, " rows a commit"), func(b *testing.B) {
			table := newTable(b)
			raw := make([]*Record, rows)
			for i := range raw {
				raw[i] = sample(i)
			}
			for b.Loop() {
				records := make([]*Record, rows)
				for i, r := range raw {
					x := *r
					Prepare(&x, DefaultLimits(), noon)
					records[i] = &x
				}
				if _, err := table.Append(b.Context(), Partition(noon.Unix()/86400, "bot"), Batch(records)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// sample is a chat of about 4 KB with text that does not repeat itself.
func sample(i int) *Record {
	words := []string{"Rechnung", "Lieferung", "Konto", "Frage", "bitte", "wann", "kommt", "meine", "das", "Paket", "gestern", "heute", "nicht", "und", "der", "Kunde"}
	text := func(n, seed int) string {
		out := make([]byte, 0, n+16)
		x := uint32(seed*2654435761 + 12345)
		for len(out) < n {
			x = x*1664525 + 1013904223
			out = append(out, words[x>>28]...)
			out = append(out, byte('a'+x>>20&15), ' ')
		}
		return string(out)
	}
	return &Record{
		RequestID: fmt.Sprintf("0190-%08d", i), RequestTime: noon.Add(time.Duration(i) * time.Millisecond), Endpoint: "bot", ServedEntity: "bot-3",
		ModelVersion: "models:/main.demo.bot/3", Requester: fmt.Sprint("user-", i%50), Task: "chat", StatusCode: 200, ExecutionDuration: int64(100_000 + i), TTFT: 20_000,
		InputTokens: 300, OutputTokens: 200, FinishReason: "stop", Source: "gw", Epoch: 1, Seq: int64(i),
		Request:  `{"model":"bot","messages":[{"role":"system","content":"` + text(600, 1) + `"},{"role":"user","content":"` + text(1800, i) + `"}],"temperature":0.2}`,
		Response: `{"choices":[{"message":{"role":"assistant","content":"` + text(1400, i+7) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":300,"completion_tokens":200}}`,
	}
}
