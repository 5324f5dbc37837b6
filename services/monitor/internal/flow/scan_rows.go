package flow

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
)

// TableRows is Rows over the inference table. It opens only the files that can
// hold rows of the query, by partition and statistics, reads only the pages of
// them whose times can match, and of those only the columns asked for. Files are
// decoded side by side; each is called by one goroutine at a time.
type TableRows struct{ Table *delta.Table }

var _ Rows = TableRows{}

// scanBatch is large because the columns of monitors are small.
const scanBatch = 32 << 10

// columnNames maps the names of monitors to those of the table where they differ.
var columnNames = map[string]string{domain.ColumnServedEntity: inference.ColServedEntity}

// Scan implements Rows.
func (r TableRows) Scan(ctx context.Context, q Query, each func(Columns) error) error {
	const op = "flow.ScanRows"
	if q.Endpoint == "" {
		return fault.New(op, fault.Internal, "a scan needs an endpoint")
	}
	s, err := r.Table.Refresh(ctx)
	if err != nil {
		return tableFault(op, err)
	}
	where := append([]delta.Cond{{Column: inference.ColEndpoint, Op: delta.Eq, Value: q.Endpoint}}, inference.TimeConditions(q.From, q.To)...)
	if q.ServedEntity != "" {
		where = append(where, delta.Cond{Column: inference.ColServedEntity, Op: delta.Eq, Value: q.ServedEntity})
	}
	var files []*delta.DataFile
	for _, f := range s.Prune(where) {
		if q.SinceVersion < 0 || f.Since > q.SinceVersion {
			files = append(files, f)
		}
	}
	read := []string{inference.ColRequestTime, inference.ColServedEntity}
	for _, c := range q.Columns {
		if t, ok := columnNames[c]; ok {
			c = t
		}
		read = append(read, c)
	}
	sc := scan{table: r.Table, snap: s, query: q, read: read, where: where, each: each}
	return tableFault(op, sc.run(ctx, files))
}

type scan struct {
	table *delta.Table
	snap  *delta.Snapshot
	query Query
	read  []string
	where []delta.Cond
	each  func(Columns) error
	calls sync.Mutex
}

// run reads the files with as many goroutines as there are processors. The first
// error ends all.
func (sc *scan) run(ctx context.Context, files []*delta.DataFile) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(files) || ctx.Err() != nil {
					return
				}
				if err := sc.file(ctx, files[i]); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (sc *scan) file(ctx context.Context, f *delta.DataFile) error {
	q := delta.Query{Columns: sc.read, Where: sc.where, Files: []*delta.DataFile{f}, BatchRows: scanBatch}
	for p, err := range sc.table.Scan(ctx, sc.snap, q) {
		if err != nil {
			return err
		}
		batch := sc.columns(p.Batch, sc.matching(p.Batch))
		if batch.Len == 0 {
			continue
		}
		sc.calls.Lock()
		err := ctx.Err()
		if err == nil {
			err = sc.each(batch)
		}
		sc.calls.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// matching lists the rows of a batch that match; nil means all.
func (sc *scan) matching(b *delta.Batch) []int {
	lo, hi := int64(minTime), int64(maxTime)
	for _, c := range sc.where {
		if c.Column == inference.ColRequestTime {
			switch us := c.Value.(int64); c.Op {
			case delta.Ge:
				lo = us
			case delta.Lt:
				hi = us
			}
		}
	}
	times, entities := b.Columns[0].Ints, b.Columns[1]
	keep := make([]int, 0, len(times))
	for i, us := range times {
		if us >= lo && us < hi && (sc.query.ServedEntity == "" || !entities.Null(i) && entities.Strings[i] == sc.query.ServedEntity) {
			keep = append(keep, i)
		}
	}
	if len(keep) == len(times) {
		return nil
	}
	return keep
}

const (
	minTime = -1 << 63
	maxTime = 1<<63 - 1
)

// columns makes the contract's columns of a batch's rows.
func (sc *scan) columns(b *delta.Batch, rows []int) Columns {
	out := Columns{
		Len: b.Rows(), RequestTime: chosen(b.Columns[0].Ints, rows), TableVersion: sc.snap.Version(),
		Float64: map[string]Float64s{}, Int64: map[string]Int64s{}, String: map[string]Strings{},
	}
	out.Len = len(out.RequestTime)
	for k, name := range sc.query.Columns {
		v := b.Columns[k+2]
		null := nulls(v, rows)
		switch v.Type.Kind {
		case delta.Double, delta.Float:
			out.Float64[name] = Float64s{chosen(v.Floats, rows), null}
		case delta.Boolean:
			out.String[name] = Strings{words(chosen(v.Bools, rows)), null}
		case delta.String:
			out.String[name] = Strings{chosen(v.Strings, rows), null}
		default:
			out.Int64[name] = Int64s{chosen(v.Ints, rows), null}
		}
	}
	return out
}

func chosen[T any](values []T, rows []int) []T {
	if rows == nil {
		return values
	}
	out := make([]T, len(rows))
	for k, i := range rows {
		out[k] = values[i]
	}
	return out
}

// nulls is the inverse of a vector's validity; nil when nothing is null.
func nulls(v *delta.Vector, rows []int) []bool {
	if v.Valid == nil {
		return nil
	}
	out := chosen(v.Valid, rows)
	if rows == nil {
		out = append([]bool(nil), out...)
	}
	for i := range out {
		out[i] = !out[i]
	}
	return out
}

func words(flags []bool) []string {
	out := make([]string, len(flags))
	for i, f := range flags {
		out[i] = strconv.FormatBool(f)
	}
	return out
}
