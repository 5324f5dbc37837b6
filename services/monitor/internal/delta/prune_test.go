package delta

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAQueryOpensOnlyTheFilesThatCanMatch(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, inner Store) {
		s := &spy{Store: inner}
		table := createEvents(t, s, eventOptions)
		// Three days, two places, four files each; ids and times ascend.
		for day := range 3 {
			for place := range 2 {
				for f := range 4 {
					from := ((day*2+place)*4 + f) * 100
					_, err := table.Append(t.Context(), part(int64(day0+day), fmt.Sprint("p", place)), eventBatch(from, 100))
					require.NoError(t, err)
				}
			}
		}
		at := func(i int64) int64 { return day0*86_400_000_000 + i*1_000_003 }
		cases := []struct {
			name  string
			where []Cond
			files int
		}{
			{"everything", nil, 24},
			{"one day", []Cond{{Column: "day", Op: Eq, Value: int64(day0 + 1)}}, 8},
			{"one partition", []Cond{{Column: "day", Op: Eq, Value: int64(day0)}, {Column: "place", Op: Eq, Value: "p1"}}, 4},
			{"two days", []Cond{{Column: "day", Op: Ge, Value: int64(day0 + 1)}}, 16},
			{"a stretch of time", []Cond{{Column: "at", Op: Ge, Value: at(250)}, {Column: "at", Op: Lt, Value: at(420)}}, 3},
			{"one id", []Cond{{Column: "id", Op: Eq, Value: "id-00001234"}}, 1},
			{"some ids", []Cond{{Column: "id", Op: In, Values: []any{"id-00000001", "id-00002399"}}}, 2},
			{"an id between two that are there", []Cond{{Column: "id", Op: Eq, Value: "id-00001234x"}}, 1},
			{"a value beyond all", []Cond{{Column: "n", Op: Gt, Value: int64(math.MaxInt64)}}, 0},
			{"a value that all have", []Cond{{Column: "small", Op: In, Values: []any{int64(3)}}}, 24},
			{"a column without bounds", []Cond{{Column: "body", Op: Eq, Value: "x"}}, 24},
			{"contradiction", []Cond{{Column: "small", Op: Lt, Value: int64(0)}}, 0},
			{"a place that is not there", []Cond{{Column: "place", Op: Eq, Value: "p9"}}, 0},
		}
		for _, c := range cases {
			s.reset()
			seen := &Seen{}
			for _, err := range table.Scan(t.Context(), table.Snapshot(), Query{Columns: []string{"id"}, Where: c.where, Seen: seen}) {
				require.NoError(t, err)
			}
			require.Equal(t, c.files, s.opened(), c.name)
			require.Equal(t, c.files, seen.Files, c.name)
		}
	})
}

func TestThePageIndexAndTheBloomFilterSkipRowsInsideAFile(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, eventOptions)
		_, err := table.Append(t.Context(), part(day0, "p"), eventBatch(0, 60_000))
		require.NoError(t, err)
		rows := func(where ...Cond) int64 {
			seen := &Seen{}
			for _, err := range table.Scan(t.Context(), table.Snapshot(), Query{Columns: []string{"id", "at", "codes", "extra"}, Where: where, Seen: seen}) {
				require.NoError(t, err)
			}
			return seen.Rows
		}
		require.EqualValues(t, 60_000, rows())
		in := func(i int64) Cond {
			return Cond{Column: "at", Op: Eq, Value: day0*86_400_000_000 + i*1_000_003}
		}
		require.Less(t, rows(in(31_000)), int64(20_000))
		require.Positive(t, rows(in(31_000)))
		require.Positive(t, rows(Cond{Column: "id", Op: Eq, Value: "id-00059999"}))
		require.Zero(t, rows(Cond{Column: "id", Op: Eq, Value: "id-00031000 not"}), "the Bloom filter knows")
	})
}

func TestPruningNeverHidesARowThatMatches(t *testing.T) {
	t.Parallel()
	s, err := NewLocal(t.TempDir())
	require.NoError(t, err)
	table := createEvents(t, s, eventOptions)
	const n = 20_000
	for i := range 4 {
		_, err := table.Append(t.Context(), part(day0, fmt.Sprint(i)), eventBatch(i*n/4, n/4))
		require.NoError(t, err)
	}
	_, err = table.Optimize(t.Context(), CompactOptions{Fan: 2})
	require.NoError(t, err)
	all := eventBatch(0, n)
	columns := []string{"id", "at", "n", "small", "ratio", "ok", "body"}
	ops := []Op{Eq, Lt, Le, Gt, Ge}
	for k := range 400 {
		i := (k * 7919) % n
		name := columns[k%len(columns)]
		v := all.Column(name)
		if v.Null(i) {
			continue
		}
		c := Cond{Column: name, Op: ops[(k/7)%len(ops)], Value: cell(v, i)}
		want := 0
		for r := range n {
			if !v.Null(r) && matches(c, cell(v, r)) {
				want++
			}
		}
		got := 0
		for p, err := range table.Scan(t.Context(), table.Snapshot(), Query{Columns: []string{name}, Where: []Cond{c}}) {
			require.NoError(t, err)
			col := p.Column(name)
			for r := range p.Rows() {
				if !col.Null(r) && matches(c, cell(col, r)) {
					got++
				}
			}
		}
		require.Equal(t, want, got, "%+v", c)
	}
}

func matches(c Cond, v any) bool {
	switch d := compare(v, c.Value); c.Op {
	case Eq:
		return d == 0
	case Lt:
		return d < 0
	case Le:
		return d <= 0
	case Gt:
		return d > 0
	default:
		return d >= 0
	}
}

func TestStatisticsAreBoundsThatOtherEnginesCanTrust(t *testing.T) {
	t.Parallel()
	schema := &Schema{Fields: []Field{
		{Name: "at", Type: Of(Timestamp)},
		{Name: "s", Type: Of(String)},
		{Name: "f", Type: Of(Double)},
		{Name: "d", Type: Of(Date)},
		{Name: "empty", Type: Of(Long)},
		{Name: "flag", Type: Of(Boolean)},
		{Name: "cost", Type: DecimalOf(18, 9)},
	}}
	b := NewBatch(schema, 2)
	long := strings.Repeat("x", maxBound-1) + "é" // a rune lies across the bound
	add := func(at int64, s string, f float64, cost int64) {
		b.Column("at").AppendInt(at)
		b.Column("s").AppendString(s)
		b.Column("f").AppendFloat(f)
		b.Column("d").AppendInt(at / 86_400_000_000)
		b.Column("empty").AppendNull()
		b.Column("flag").AppendBool(true)
		b.Column("cost").AppendInt(cost)
	}
	stats := func() *Stats {
		st := newStatist(schema, nil)
		st.add(b)
		text, err := st.json()
		require.NoError(t, err)
		return parseStats(text)
	}
	add(1_700_000_000_123_456, "b", 2, -1_500_000_000)
	st := stats()
	require.Equal(t, "2023-11-14T22:13:20.123Z", st.Min["at"], "rounded down")
	require.Equal(t, "2023-11-14T22:13:20.124Z", st.Max["at"], "rounded up")
	require.Equal(t, "2023-11-14", st.Min["d"])
	require.NotContains(t, st.Min, "empty")
	require.EqualValues(t, "1", st.NullCount["empty"])
	require.NotContains(t, st.Min, "flag")
	require.EqualValues(t, "-1.500000000", st.Min["cost"])

	add(-1, long, math.NaN(), 0)
	st = stats()
	require.Equal(t, "1969-12-31T23:59:59.999Z", st.Min["at"])
	require.Equal(t, "b", st.Min["s"])
	require.NotContains(t, st.Max, "s", "a cut maximum would be a lie")
	require.NotContains(t, st.Max, "f", "NaN is above everything")
	require.EqualValues(t, "2", st.Min["f"])

	add(0, "\xff\xfe", math.Inf(-1), 7)
	st = stats()
	require.NotContains(t, st.Min, "s", "JSON cannot say it")
	require.NotContains(t, st.Min, "f")
	b.Columns[1].Strings[2] = strings.Repeat("a", maxBound-1) + "é"
	require.Equal(t, strings.Repeat("a", maxBound-1), stats().Min["s"])

	lo, ok := bound(Of(Timestamp), map[string]any{"at": "2023-11-14T22:13:20.124Z"}, "at")
	require.True(t, ok)
	require.Equal(t, time.Date(2023, 11, 14, 22, 13, 20, 124e6, time.UTC).UnixMicro(), lo)
}

func TestRangesIntersect(t *testing.T) {
	t.Parallel()
	got := intersect([]rowRange{{0, 10}, {20, 30}, {40, 50}}, []rowRange{{5, 25}, {29, 41}, {60, 70}})
	require.True(t, slices.Equal([]rowRange{{5, 10}, {20, 25}, {29, 30}, {40, 41}}, got), "%v", got)
	require.Equal(t, []rowRange{{2, 4}, {6, 7}}, pick([]int64{1, 12, 13, 16, 99}, 10, 10))
}
