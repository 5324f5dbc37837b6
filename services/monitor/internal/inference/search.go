package inference

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"slices"
	"time"

	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
)

// Filter chooses records; an empty field chooses all.
type Filter struct {
	Endpoint        string
	From, To        time.Time // half-open, of RequestTime
	StatusCode      int64
	ServedEntity    string
	Requester       string
	ClientRequestID string
	RequestID       string
}

// Cursor is the place of a record in the order of all: by time, then by id, the
// newest first.
type Cursor struct {
	Time int64  `json:"t"` // µs
	ID   string `json:"i"`
}

// before reports whether c stands before o, being newer.
func (c Cursor) before(o Cursor) bool {
	return cmp.Or(cmp.Compare(o.Time, c.Time), cmp.Compare(o.ID, c.ID)) < 0
}

// Page is a part of an answer.
type Page struct {
	Records []*Record
	// Next is where the next page goes on; nil at the end.
	Next *Cursor
	// FilesRead and FilesPruned say what the answer cost.
	FilesRead, FilesPruned int
}

// SearchOptions shape a page.
type SearchOptions struct {
	After    *Cursor // the last record of the page before
	Limit    int     // records
	Bodies   bool
	MaxBytes int64 // of bodies on a page, which has one record at least; 0: any
}

// Search reads a page of the records that match, newest first.
//
// It looks twice. First only the few columns that decide are read, of the files
// that can hold an answer, newest files first, until the next file is older than
// every place on the page; then whole records are fetched for the places. A page
// of yesterday's errors so costs a few small columns of one file and its bodies,
// whatever the table holds.
func Search(ctx context.Context, t *delta.Table, f Filter, o SearchOptions) (Page, error) {
	s := t.Snapshot()
	where := f.conditions()
	if o.After != nil {
		where = append(where,
			delta.Cond{Column: ColRequestTime, Op: delta.Le, Value: o.After.Time},
			delta.Cond{Column: ColRequestDate, Op: delta.Le, Value: floorDay(o.After.Time)})
	}
	files := s.Prune(where)
	page := Page{}
	slices.SortStableFunc(files, func(a, b *delta.DataFile) int { return cmp.Compare(newest(b), newest(a)) })
	found := &places{}
	for _, file := range files {
		if found.Len() > o.Limit && newest(file) < found.at[0].Time {
			break
		}
		page.FilesRead++
		if err := f.collect(ctx, t, s, file, where, o, found); err != nil {
			return page, err
		}
	}
	page.FilesPruned = s.NumFiles() - page.FilesRead
	slices.SortFunc(found.at, func(a, b place) int {
		if a.before(b.Cursor) {
			return -1
		}
		return 1
	})
	at, more := found.cut(o)
	if more {
		last := at[len(at)-1].Cursor
		page.Next = &last
	}
	return page, page.fetch(ctx, t, s, at, o.Bodies)
}

// newest is an upper bound of the times in a file.
func newest(f *delta.DataFile) int64 {
	if at, ok := f.MaxTime(ColRequestTime); ok {
		return at
	}
	return math.MaxInt64
}

func (f Filter) conditions() []delta.Cond {
	var where []delta.Cond
	eq := func(column, value string) {
		if value != "" {
			where = append(where, delta.Cond{Column: column, Op: delta.Eq, Value: value})
		}
	}
	eq(ColEndpoint, f.Endpoint)
	eq(ColServedEntity, f.ServedEntity)
	eq(ColRequester, f.Requester)
	eq(ColClientRequestID, f.ClientRequestID)
	eq(ColRequestID, f.RequestID)
	if f.StatusCode != 0 {
		where = append(where, delta.Cond{Column: ColStatusCode, Op: delta.Eq, Value: f.StatusCode})
	}
	return append(where, TimeConditions(f.From, f.To)...)
}

// TimeConditions choose a half-open span of RequestTime; a zero time is open.
func TimeConditions(from, to time.Time) []delta.Cond {
	var where []delta.Cond
	if !from.IsZero() {
		us := ceilMicros(from)
		where = append(where, delta.Cond{Column: ColRequestDate, Op: delta.Ge, Value: floorDay(us)}, delta.Cond{Column: ColRequestTime, Op: delta.Ge, Value: us})
	}
	if !to.IsZero() {
		us := ceilMicros(to)
		where = append(where, delta.Cond{Column: ColRequestDate, Op: delta.Le, Value: floorDay(us - 1)}, delta.Cond{Column: ColRequestTime, Op: delta.Lt, Value: us})
	}
	return where
}

// ceilMicros is the first whole microsecond not before t: rows hold no parts of
// one.
func ceilMicros(t time.Time) int64 {
	us := t.UnixMicro()
	if time.UnixMicro(us).Before(t) {
		us++
	}
	return us
}

func floorDay(us int64) int64 {
	day := us / dayMicros
	if us%dayMicros < 0 {
		day--
	}
	return day
}

// place is a record that matches, and where it lies.
type place struct {
	Cursor
	file   *delta.DataFile
	row    int64
	weight int64 // bytes of its bodies
}

// places keeps the newest, the oldest of them on top.
type places struct{ at []place }

func (p *places) Len() int           { return len(p.at) }
func (p *places) Less(i, j int) bool { return p.at[j].before(p.at[i].Cursor) }
func (p *places) Swap(i, j int)      { p.at[i], p.at[j] = p.at[j], p.at[i] }
func (p *places) Push(x any)         { p.at = append(p.at, x.(place)) }
func (p *places) Pop() any {
	last := p.at[len(p.at)-1]
	p.at = p.at[:len(p.at)-1]
	return last
}

// keep adds a place and drops the oldest beyond limit + 1; the one more tells
// whether there is a next page.
func (p *places) keep(x place, limit int) {
	if p.Len() > limit {
		if !x.before(p.at[0].Cursor) {
			return
		}
		heap.Pop(p)
	}
	heap.Push(p, x)
}

// cut ends the page where it is full, of records or of bytes.
func (p *places) cut(o SearchOptions) (at []place, more bool) {
	at = p.at
	if len(at) > o.Limit {
		at, more = at[:o.Limit], true
	}
	if o.MaxBytes <= 0 {
		return at, more
	}
	var bytes int64
	for i, x := range at {
		if bytes += x.weight; i > 0 && bytes > o.MaxBytes {
			return at[:i], true
		}
	}
	return at, more
}

// collect looks for places in one file.
func (f Filter) collect(ctx context.Context, t *delta.Table, s *delta.Snapshot, file *delta.DataFile, where []delta.Cond, o SearchOptions, found *places) error {
	if found.Len() > o.Limit { // older rows than the oldest place are of no use
		where = append(slices.Clone(where), delta.Cond{Column: ColRequestTime, Op: delta.Ge, Value: found.at[0].Time})
	}
	columns := []string{ColRequestTime, ColRequestID}
	match := f.matchers()
	if o.Bodies && o.MaxBytes > 0 {
		match = append(match, matcher{colRequestBytes, always}, matcher{colResponseBytes, always})
	}
	for _, m := range match {
		columns = append(columns, m.column)
	}
	for p, err := range t.Scan(ctx, s, delta.Query{Columns: columns, Where: where, Files: []*delta.DataFile{file}}) {
		if err != nil {
			return err
		}
	rows:
		for i := range p.Rows() {
			at := Cursor{Time: p.Columns[0].Ints[i], ID: p.Columns[1].Strings[i]}
			if !f.inSpan(at.Time) || o.After != nil && !o.After.before(at) || f.RequestID != "" && at.ID != f.RequestID {
				continue
			}
			var weight int64
			for k, m := range match {
				v := p.Columns[k+2]
				if v.Null(i) || !m.matches(v, i) {
					continue rows
				}
				switch m.column {
				case colRequestBytes:
					weight += v.Ints[i]
				case colResponseBytes:
					weight += 2 * v.Ints[i] // as it came, and its text
				}
			}
			found.keep(place{at, file, p.Row + int64(i), weight}, o.Limit)
		}
	}
	return nil
}

func (f Filter) inSpan(us int64) bool {
	return (f.From.IsZero() || us >= ceilMicros(f.From)) && (f.To.IsZero() || us < ceilMicros(f.To))
}

type matcher struct {
	column  string
	matches func(v *delta.Vector, i int) bool
}

func always(*delta.Vector, int) bool { return true }

// matchers test what pruning cannot promise.
func (f Filter) matchers() []matcher {
	var out []matcher
	text := func(column, want string) {
		if want != "" {
			out = append(out, matcher{column, func(v *delta.Vector, i int) bool { return v.Strings[i] == want }})
		}
	}
	text(ColServedEntity, f.ServedEntity)
	text(ColRequester, f.Requester)
	text(ColClientRequestID, f.ClientRequestID)
	if f.StatusCode != 0 {
		out = append(out, matcher{ColStatusCode, func(v *delta.Vector, i int) bool { return v.Ints[i] == f.StatusCode }})
	}
	return out
}

// fetch reads the records of the places, file by file, and puts them in order.
func (page *Page) fetch(ctx context.Context, t *delta.Table, s *delta.Snapshot, at []place, bodies bool) error {
	columns := AllColumns(bodies)
	byFile := map[*delta.DataFile][]int{} // places of a file, by index
	for i, p := range at {
		byFile[p.file] = append(byFile[p.file], i)
	}
	page.Records = make([]*Record, len(at))
	for file, idx := range byFile {
		slices.SortFunc(idx, func(a, b int) int { return cmp.Compare(at[a].row, at[b].row) })
		rows := make([]int64, len(idx))
		for k, i := range idx {
			rows[k] = at[i].row
		}
		b, err := t.ReadRows(ctx, s, file, columns, rows)
		if err != nil {
			return err
		}
		for k, i := range idx {
			page.Records[i] = At(b, k)
		}
	}
	return nil
}

// Get reads one record by its id; nil when there is none.
func Get(ctx context.Context, t *delta.Table, requestID string) (*Record, error) {
	p, err := Search(ctx, t, Filter{RequestID: requestID}, SearchOptions{Limit: 1, Bodies: true})
	if err != nil || len(p.Records) == 0 {
		return nil, err
	}
	return p.Records[0], nil
}
