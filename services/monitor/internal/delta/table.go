package delta

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the habits of one process with a table. The zero value works.
type Options struct {
	// Engine is the writer's name in the table's history.
	Engine string
	// CheckpointEvery is the number of commits between checkpoints; 0 takes the
	// table's delta.checkpointInterval or 100, negative never writes one.
	CheckpointEvery int
	// CompactedRetention is how long a file stays after a compaction put its
	// rows into another one. 0 means as long as any removed file. Nothing is
	// lost with such a file but the ability to read versions older than that.
	CompactedRetention time.Duration
	// Dictionary names the columns of few distinct values, Bloom the ones that
	// get a Bloom filter, Stats the ones that get minimum and maximum in the log
	// (nil: the first 32 columns that have an order).
	Dictionary, Bloom, Stats []string
	// Now and NewID are for tests; NewID must never repeat itself.
	Now   func() time.Time
	NewID func() string
	// Warn hears about work that failed without harm, such as a checkpoint.
	Warn func(what string, err error)
}

// Table is a Delta table. All methods may be called from any goroutine.
//
// A table holds the newest snapshot it has seen. Reading a snapshot costs
// nothing; Refresh costs one look for the next commit.
type Table struct {
	store Store
	o     Options

	snap atomic.Pointer[Snapshot]

	mu       sync.Mutex // guards the advance of snap
	verified time.Time  // when the hint was last seen not to be ahead of us

	commitMu sync.Mutex // lines up the commits of this process
}

// Spec is what a new table is made of.
type Spec struct {
	Name, Description string
	Schema            *Schema
	PartitionBy       []string
	Properties        map[string]string
}

// Open reads the newest state of a table. ErrNotTable when there is none.
func Open(ctx context.Context, store Store, o Options) (*Table, error) {
	t := newTable(store, o)
	s, err := load(ctx, store)
	if err != nil {
		return nil, err
	}
	t.snap.Store(s)
	t.verified = t.o.Now()
	if _, err := t.Refresh(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// Create makes an empty table, or fails with fs.ErrExist where one is.
func Create(ctx context.Context, store Store, spec Spec, o Options) (*Table, error) {
	t := newTable(store, o)
	text, err := spec.Schema.MarshalString()
	if err != nil {
		return nil, err
	}
	for _, c := range spec.PartitionBy {
		i := spec.Schema.Index(c)
		if i < 0 {
			return nil, fmt.Errorf("delta: no column %q to partition by", c)
		}
		if spec.Schema.Fields[i].Type.nested() {
			return nil, fmt.Errorf("delta: cannot partition by %q of type %s", c, spec.Schema.Fields[i].Type)
		}
	}
	now := t.o.Now().UnixMilli()
	meta := &Metadata{
		ID: t.o.NewID(), Name: spec.Name, Description: spec.Description,
		Format:       Format{Provider: "parquet", Options: map[string]string{}},
		SchemaString: text, PartitionColumns: append([]string{}, spec.PartitionBy...),
		Configuration: maps.Clone(spec.Properties), CreatedTime: now,
	}
	if meta.Configuration == nil {
		meta.Configuration = map[string]string{}
	}
	actions := []action{
		{CommitInfo: t.commitInfo("CREATE TABLE", nil, nil, false, t.o.NewID())},
		{Protocol: &Protocol{MinReaderVersion: readerVersion, MinWriterVersion: writerVersion}},
		{MetaData: meta},
	}
	data, err := marshalActions(actions)
	if err != nil {
		return nil, err
	}
	// A table whose first commits were cleaned away has no version 0, yet is one.
	if _, err := load(ctx, store); err == nil {
		return nil, fmt.Errorf("delta: create %s: %w", store.URL(), fs.ErrExist)
	} else if !errors.Is(err, ErrNotTable) {
		return nil, err
	}
	if err := store.PutIfAbsent(ctx, commitKey(0), data); err != nil {
		return nil, fmt.Errorf("delta: create %s: %w", store.URL(), err)
	}
	return Open(ctx, store, o)
}

// OpenOrCreate opens the table, making it first where there is none. Columns and
// properties of the spec that the table lacks are added to it.
func OpenOrCreate(ctx context.Context, store Store, spec Spec, o Options) (*Table, error) {
	t, err := Open(ctx, store, o)
	if errors.Is(err, ErrNotTable) {
		t, err = Create(ctx, store, spec, o)
		if errors.Is(err, fs.ErrExist) { // somebody else just did
			t, err = Open(ctx, store, o)
		}
	}
	if err != nil {
		return nil, err
	}
	return t, t.conform(ctx, spec)
}

func newTable(store Store, o Options) *Table {
	if o.Engine == "" {
		o.Engine = "slipway-delta/1"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	if o.Warn == nil {
		o.Warn = func(string, error) {}
	}
	return &Table{store: store, o: o}
}

// Store is where the table lies.
func (t *Table) Store() Store { return t.store }

// Snapshot is the newest state that this process has seen, without looking.
func (t *Table) Snapshot() *Snapshot { return t.snap.Load() }

// Refresh reads the commits that others made since and returns the newest
// snapshot.
func (t *Table) Refresh(ctx context.Context) (*Snapshot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refresh(ctx)
}

// trustFor is how long a process may believe that the commit after its own
// newest one cannot have been cleaned away. Logs are kept for hours at least.
const trustFor = 10 * time.Minute

func (t *Table) refresh(ctx context.Context) (*Snapshot, error) {
	s := t.snap.Load()
	if t.o.Now().Sub(t.verified) > trustFor {
		// After a long sleep the next commit may be gone, and its absence would
		// read as "nothing new". The hint tells.
		h, err := readHint(ctx, t.store)
		if err != nil {
			return nil, err
		}
		if h != nil && h.Version > s.version {
			if s, err = load(ctx, t.store); err != nil {
				return nil, err
			}
			t.snap.Store(s)
		}
		t.verified = t.o.Now()
	}
	var pending []action
	v := s.version
	for {
		data, err := t.store.Get(ctx, commitKey(v+1))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		as, err := parseActions(commitKey(v+1), data)
		if err != nil {
			return nil, err
		}
		pending = append(pending, as...)
		v++
	}
	if v == s.version {
		return s, nil
	}
	n, err := s.with(v, pending)
	if err != nil {
		return nil, err
	}
	t.snap.Store(n)
	t.verified = t.o.Now()
	return n, nil
}

// load reads the newest checkpoint, or else the first commit. The commits after
// it are left to refresh.
func load(ctx context.Context, store Store) (*Snapshot, error) {
	h, err := readHint(ctx, store)
	if err != nil {
		return nil, err
	}
	if h != nil {
		s, err := readCheckpoint(ctx, store, h)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return s, err
		}
	}
	data, err := store.Get(ctx, commitKey(0))
	if err == nil {
		as, err := parseActions(commitKey(0), data)
		if err != nil {
			return nil, err
		}
		return (*Snapshot)(nil).with(0, as)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if h, err = findCheckpoint(ctx, store); err != nil {
		return nil, err
	}
	if h == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotTable, store.URL())
	}
	return readCheckpoint(ctx, store, h)
}

// Checkpoint writes a checkpoint of the newest known version.
func (t *Table) Checkpoint(ctx context.Context) error {
	s := t.Snapshot()
	cut := t.retentionCuts(s).earlier(tombGrace)
	if err := writeCheckpoint(ctx, t.store, s, cut.keeps); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// Forget in memory what the checkpoint forgot.
	now := t.snap.Load()
	trimmed := *now
	trimmed.tombs = nil
	for _, tb := range now.tombs {
		if cut.keeps(tb) {
			trimmed.tombs = append(trimmed.tombs, tb)
		}
	}
	t.snap.Store(&trimmed)
	return nil
}

// checkpointDue tells whether version v ends an interval.
func (t *Table) checkpointDue(s *Snapshot) bool {
	every := t.o.CheckpointEvery
	if every == 0 {
		every = 100
		if n, err := strconv.Atoi(s.meta.Configuration["delta.checkpointInterval"]); err == nil && n > 0 {
			every = n
		}
	}
	return every > 0 && s.version > 0 && s.version%int64(every) == 0
}

// cuts are the moments before which removed files may go.
type cuts struct{ deleted, compacted int64 } // ms

func (c cuts) keeps(t tombstone) bool {
	if t.dataChange {
		return t.at >= c.deleted
	}
	return t.at >= c.compacted
}

// tombGrace is how much longer a removal is remembered than its file must be
// kept, so that a vacuum that runs once a day still meets it. A file whose
// removal was forgotten is deleted too, but by its age alone.
const tombGrace = 24 * time.Hour

func (c cuts) earlier(d time.Duration) cuts {
	return cuts{deleted: c.deleted - d.Milliseconds(), compacted: c.compacted - d.Milliseconds()}
}

const (
	defaultFileRetention = 7 * 24 * time.Hour
	defaultLogRetention  = 30 * 24 * time.Hour
)

func (t *Table) retentionCuts(s *Snapshot) cuts {
	keep := interval(s.meta.Configuration["delta.deletedFileRetentionDuration"], defaultFileRetention)
	compacted := t.o.CompactedRetention
	if compacted == 0 {
		compacted = keep
	}
	now := t.o.Now()
	return cuts{deleted: now.Add(-keep).UnixMilli(), compacted: now.Add(-compacted).UnixMilli()}
}

// interval reads a property such as "interval 7 days"; what it cannot read is
// the default, as the engines have it.
func interval(text string, def time.Duration) time.Duration {
	f := strings.Fields(strings.ToLower(text))
	if len(f) == 3 && f[0] == "interval" {
		f = f[1:]
	}
	if len(f) != 2 {
		return def
	}
	n, err := strconv.ParseInt(f[0], 10, 32)
	if err != nil || n < 0 {
		return def
	}
	units := map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour}
	u, ok := units[strings.TrimSuffix(f[1], "s")]
	if !ok {
		return def
	}
	return time.Duration(n) * u
}

// Interval writes a duration of whole seconds as a table property.
func Interval(d time.Duration) string {
	return fmt.Sprintf("interval %d seconds", int64(d/time.Second))
}
