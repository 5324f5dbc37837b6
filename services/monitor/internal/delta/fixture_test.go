package delta

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"
)

// events is the schema of most tests: one column of each shape that counts.
func events() *Schema {
	return &Schema{Fields: []Field{
		{Name: "id", Type: Of(String), Nullable: true, Comment: "who"},
		{Name: "at", Type: Of(Timestamp), Nullable: true},
		{Name: "day", Type: Of(Date), Nullable: true},
		{Name: "place", Type: Of(String), Nullable: true},
		{Name: "n", Type: Of(Long), Nullable: true},
		{Name: "small", Type: Of(Integer), Nullable: true},
		{Name: "ratio", Type: Of(Double), Nullable: true},
		{Name: "ok", Type: Of(Boolean), Nullable: true},
		{Name: "cost", Type: DecimalOf(18, 9), Nullable: true},
		{Name: "codes", Type: ArrayOf(String), Nullable: true},
		{Name: "extra", Type: MapOf(String, String), Nullable: true},
		{Name: "body", Type: Of(String), Nullable: true},
	}}
}

var eventSpec = Spec{Name: "events", Schema: events(), PartitionBy: []string{"day", "place"}}

var eventOptions = Options{Dictionary: []string{"small"}, Bloom: []string{"id"}, Stats: []string{"id", "at", "n", "small", "ratio", "ok", "cost", "body"}}

const day0 = 20_000 // 2024-10-04

// eventBatch makes n rows whose values follow from their number.
func eventBatch(from, n int) *Batch {
	b := NewBatch(events().Without("day", "place"), n)
	for i := from; i < from+n; i++ {
		b.Column("id").AppendString(fmt.Sprintf("id-%08d", i))
		b.Column("at").AppendInt(day0*86_400_000_000 + int64(i)*1_000_003)
		if i%7 == 0 {
			b.Column("n").AppendNull()
		} else {
			b.Column("n").AppendInt(int64(i) * 1_000_000_007)
		}
		b.Column("small").AppendInt(int64(i % 5))
		b.Column("ratio").AppendFloat(float64(i) / 8)
		if i%3 == 0 {
			b.Column("ok").AppendNull()
		} else {
			b.Column("ok").AppendBool(i%2 == 0)
		}
		b.Column("cost").AppendInt(int64(i) - 3)
		switch i % 4 {
		case 0:
			b.Column("codes").AppendNull()
		case 1:
			b.Column("codes").AppendStrings(nil)
		default:
			b.Column("codes").AppendStrings([]string{"A", fmt.Sprint("B", i)}[:i%4-1])
		}
		if i%5 == 0 {
			b.Column("extra").AppendNull()
		} else {
			for k := range i % 5 {
				b.Column("extra").AppendPair(fmt.Sprint("k", k), fmt.Sprint("v", i))
			}
			b.Column("extra").EndRow()
		}
		b.Column("body").AppendString(strings.Repeat("häß ", i%40))
	}
	return b
}

// requireEvents checks that row i of the batch is event number from+i.
func requireEvents(t *testing.T, b *Batch, from int) {
	t.Helper()
	want := eventBatch(from, b.Rows())
	for i, f := range want.Schema.Fields {
		requireVector(t, f.Name, want.Columns[i], b.Column(f.Name))
	}
}

func requireVector(t *testing.T, name string, want, got *Vector) {
	t.Helper()
	require.Equal(t, want.Len(), got.Len(), name)
	for i := range want.Len() {
		require.Equal(t, want.Null(i), got.Null(i), "%s[%d] null", name, i)
		if want.Null(i) {
			continue
		}
		require.Equal(t, cell(want, i), cell(got, i), "%s[%d]", name, i)
	}
}

func cell(v *Vector, i int) any {
	switch v.class() {
	case classInt:
		return v.Ints[i]
	case classFloat:
		return v.Floats[i]
	case classBool:
		return v.Bools[i]
	case classString:
		return v.Strings[i]
	default:
		from, to := v.Row(i)
		var out []any
		for k := from; k < to; k++ {
			if v.Keys != nil {
				out = append(out, cell(v.Keys, k))
			}
			out = append(out, cell(v.Elems, k))
		}
		return out
	}
}

// stores are the places that every test of the table runs on.
func eachStore(t *testing.T, test func(t *testing.T, s Store)) {
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		s, err := NewLocal(t.TempDir())
		require.NoError(t, err)
		test(t, s)
	})
	t.Run("bucket", func(t *testing.T) {
		t.Parallel()
		b := memblob.OpenBucket(nil)
		t.Cleanup(func() { _ = b.Close() })
		test(t, NewBucket(b, "mem://test"))
	})
}

func createEvents(t *testing.T, s Store, o Options) *Table {
	t.Helper()
	table, err := Create(t.Context(), s, eventSpec, o)
	require.NoError(t, err)
	return table
}

func part(day int64, place string) map[string]any { return map[string]any{"day": day, "place": place} }

// readAll reads the rows of a table, counted by id.
func readIDs(t *testing.T, table *Table) map[string]int {
	t.Helper()
	out := map[string]int{}
	for p, err := range table.Scan(t.Context(), table.Snapshot(), Query{Columns: []string{"id"}}) {
		require.NoError(t, err)
		for _, id := range p.Column("id").Strings {
			out[id]++
		}
	}
	return out
}

// clock is a time that tests move.
type testClock struct{ ms atomic.Int64 }

func newClock(at time.Time) *testClock {
	c := &testClock{}
	c.ms.Store(at.UnixMilli())
	return c
}

func (c *testClock) Now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *testClock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// spy counts and disturbs the operations of a store.
type spy struct {
	Store
	mu     sync.Mutex
	opens  []string
	gets   []string
	before func(op, key string) error // an error here is the operation's
	after  func(op, key string) error // an error here hides a success
}

func (s *spy) note(op, key string) error {
	s.mu.Lock()
	switch op {
	case "open":
		s.opens = append(s.opens, key)
	case "get":
		s.gets = append(s.gets, key)
	}
	before := s.before
	s.mu.Unlock()
	if before != nil {
		return before(op, key)
	}
	return nil
}

func (s *spy) Get(ctx context.Context, key string) ([]byte, error) {
	if err := s.note("get", key); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, key)
}

func (s *spy) Open(ctx context.Context, key string, size int64) (Reader, error) {
	if err := s.note("open", key); err != nil {
		return nil, err
	}
	return s.Store.Open(ctx, key, size)
}

func (s *spy) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	if err := s.note("put-if-absent", key); err != nil {
		return err
	}
	err := s.Store.PutIfAbsent(ctx, key, data)
	if err == nil && s.after != nil {
		return s.after("put-if-absent", key)
	}
	return err
}

func (s *spy) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return s.Store.List(ctx, prefix)
}

func (s *spy) opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.opens)
}

func (s *spy) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opens, s.gets = nil, nil
}

func keysOf(t *testing.T, s Store, prefix string) []string {
	t.Helper()
	var keys []string
	for o, err := range s.List(t.Context(), prefix) {
		require.NoError(t, err)
		keys = append(keys, o.Key)
	}
	return keys
}
