// Package ingest turns numbered records of request logs into committed rows of
// the inference table, each exactly once.
//
// A log is known by its source and epoch, and numbers its records from 1. Its
// position in the table is a Delta transaction, "<source>/<epoch>" at version n,
// that the very commit moves which adds the rows up to n. So there is no moment
// at which rows are in the table and the position is not, or the other way
// round, and a process that dies at any instruction leaves a table that says
// precisely what it has. Whoever resends from there loses nothing and doubles
// nothing; no row is ever looked up to find out whether it is there.
//
// Records wait in memory, bounded, until one commit takes those of all logs
// together. They are acknowledged after it and not before; until then the logs
// that sent them keep them.
package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
)

// Options shape the commits.
type Options struct {
	FlushEvery time.Duration // longest wait of a record for its commit
	FlushRows  int           // a commit begins at this many waiting rows
	FlushBytes int64         // or at this many waiting bytes
	MaxPending int64         // bytes that may wait; beyond, senders wait
	Limits     inference.Limits
	Clock      clock.Clock
	Log        *slog.Logger
	Metrics    *Metrics
	// Notes hears what was delivered, after each commit and outside its way; nil:
	// nobody. An error is logged: what it would have noted is in the table too.
	Notes   func(ctx context.Context, ds []Delivery) error
	Tracing *Tracing // nil: no spans
}

// Delivery is what one log delivered since the last note.
type Delivery struct {
	Key          Key
	AckedSeq     int64
	TableVersion int64
	Rows         int64
	Duplicates   int64
	Gaps         int64
	Sanitised    int64
}

// Key names a log.
type Key struct {
	Source string
	Epoch  int64
}

// AppID is the log's name in the table's transactions.
func (k Key) AppID() string { return k.Source + "/" + strconv.FormatInt(k.Epoch, 10) }

// ParseAppID is the inverse of AppID; ok is false for transactions of others.
func ParseAppID(id string) (k Key, ok bool) {
	i := strings.LastIndexByte(id, '/')
	if i <= 0 {
		return Key{}, false
	}
	epoch, err := strconv.ParseInt(id[i+1:], 10, 64)
	if err != nil || strconv.FormatInt(epoch, 10) != id[i+1:] {
		return Key{}, false
	}
	return Key{Source: id[:i], Epoch: epoch}, true
}

// GapError refuses records that come after missing ones.
type GapError struct{ Expected, Got int64 }

func (e *GapError) Error() string {
	return fmt.Sprintf("records %d to %d are missing", e.Expected, e.Got-1)
}

// Writer commits the records of all logs. One goroutine of its Run does so.
type Writer struct {
	o     Options
	table *delta.Table

	mu       sync.Mutex
	logs     map[Key]*position
	waiting  []*entry
	pending  int64 // bytes waiting or being committed
	rows     int   // waiting
	bytes    int64 // waiting
	hurry    bool  // somebody wants the waiting rows committed now
	closed   bool
	wake     chan struct{} // something to look at for Run
	space    chan struct{} // closed and replaced when pending falls
	failures int           // of commits in a row
	lastErr  error
}

// entry is consecutive records of one log.
type entry struct {
	log     *position
	first   int64
	records []*inference.Record
	bytes   int64
	changed int64 // sanitised records
	at      time.Time
}

func (e *entry) last() int64 { return e.first + int64(len(e.records)) - 1 }

// position is how far a log has come.
type position struct {
	key   Key
	order sync.Mutex // held while records of the log are put in line

	// Guarded by Writer.mu.
	refs      int
	accepted  int64 // in line or durable
	committed int64 // durable
	version   int64 // table version of the last commit
	moved     chan struct{}
	lost      error // the table went back; senders must begin anew
	delivery  Delivery
}

// NewWriter makes a writer on an open table. Nothing moves until Run.
func NewWriter(table *delta.Table, o Options) *Writer {
	if o.FlushEvery <= 0 {
		o.FlushEvery = 500 * time.Millisecond
	}
	if o.FlushRows <= 0 {
		o.FlushRows = 10_000
	}
	if o.FlushBytes <= 0 {
		o.FlushBytes = 32 << 20
	}
	if o.MaxPending < o.FlushBytes {
		o.MaxPending = 2 * o.FlushBytes
	}
	if o.Metrics == nil {
		o.Metrics, _ = NewMetrics(nil) // nothing to register, nothing to fail
	}
	return &Writer{o: o, table: table, logs: map[Key]*position{}, wake: make(chan struct{}, 1), space: make(chan struct{})}
}

// Open finds a log's position in the table, as it is now. Close the stream when
// its sender is gone. Several streams of one log may be open at once, as when a
// sender came back before its old connection was seen to be dead.
func (w *Writer) Open(ctx context.Context, key Key) (*Stream, error) {
	if err := w.refuseClosed(); err != nil {
		return nil, err
	}
	snap, err := w.table.Refresh(ctx)
	if err != nil {
		return nil, fault.Wrap("ingest.Open", fault.Unavailable, err, "the inference table cannot be read")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.logs[key]
	if p == nil || p.lost != nil {
		p = &position{key: key, moved: make(chan struct{}), version: snap.Version(), delivery: Delivery{Key: key}}
		if t, ok := snap.Txn(key.AppID()); ok {
			p.accepted, p.committed = t.Version, t.Version
		}
		w.logs[key] = p
	}
	p.refs++
	return &Stream{w: w, p: p}, nil
}

// Stream is one sender's connection to its log.
type Stream struct {
	w *Writer
	p *position
}

// Close lets go of the log. Records that were put stay in line.
func (s *Stream) Close() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.p.refs--
	s.w.forget(s.p)
}

// forget drops what is known of a log that nobody uses: the table has it.
func (w *Writer) forget(p *position) {
	if p.refs == 0 && p.accepted == p.committed && w.logs[p.key] == p && p.delivery == (Delivery{Key: p.key}) {
		delete(w.logs, p.key)
	}
}

// Acked is how far the log is durable, the table version that made it so, and a
// channel that is closed when that changes. The error says that the stream is
// over: the sender must open a new one and begin where that one begins.
func (s *Stream) Acked() (seq, version int64, moved <-chan struct{}, err error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.p.committed, s.p.version, s.p.moved, s.p.lost
}

// Flush asks that what was put be committed without further waiting, and waits
// until it is.
func (s *Stream) Flush(ctx context.Context) error {
	s.w.mu.Lock()
	want := s.p.accepted
	s.w.hurry = s.w.hurry || len(s.w.waiting) > 0
	s.w.mu.Unlock()
	s.w.poke()
	for {
		seq, _, moved, err := s.Acked()
		if err != nil || seq >= want {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Put stands records in line, the first of which has number first. Records that
// are durable or in line already are dropped. It waits while too much is
// waiting. A GapError says which record is missing; then none was taken. The
// records belong to the writer from now on.
func (s *Stream) Put(ctx context.Context, first int64, records []*inference.Record) error {
	if len(records) == 0 {
		return nil
	}
	s.p.order.Lock()
	defer s.p.order.Unlock()
	records, first, err := s.fresh(first, records)
	if err != nil || len(records) == 0 {
		return err
	}
	now := s.w.o.Clock.Now()
	e := &entry{log: s.p, first: first, records: records, at: now}
	for i, r := range records {
		r.Source, r.Epoch, r.Seq = s.p.key.Source, s.p.key.Epoch, first+int64(i)
		codes := len(r.LoggingErrorCodes)
		inference.Prepare(r, s.w.o.Limits, now)
		if len(r.LoggingErrorCodes) > codes {
			e.changed++
			for _, c := range r.LoggingErrorCodes[codes:] {
				s.w.o.Metrics.sanitised.WithLabelValues(c).Inc()
			}
		}
		e.bytes += size(r)
	}
	return s.w.line(ctx, e)
}

// fresh drops the records that are known and refuses those that leave a gap.
func (s *Stream) fresh(first int64, records []*inference.Record) ([]*inference.Record, int64, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.p.lost != nil {
		return nil, 0, s.p.lost
	}
	if first < 1 {
		return nil, 0, fault.New("ingest.Put", fault.Invalid, "records are numbered from 1, not from %d", first).WithReason("INGEST_NUMBER_INVALID")
	}
	if first > s.p.accepted+1 {
		s.p.delivery.Gaps++
		s.w.o.Metrics.gaps.Inc()
		return nil, 0, &GapError{Expected: s.p.accepted + 1, Got: first}
	}
	if known := s.p.accepted + 1 - first; known > 0 {
		known = min(known, int64(len(records)))
		s.p.delivery.Duplicates += known
		s.w.o.Metrics.duplicates.Add(float64(known))
		records, first = records[known:], first+known
	}
	return records, first, nil
}

// line waits for room and appends.
func (w *Writer) line(ctx context.Context, e *entry) error {
	w.mu.Lock()
	for {
		if w.closed {
			w.mu.Unlock()
			return errClosed
		}
		if e.log.lost != nil {
			defer w.mu.Unlock()
			return e.log.lost
		}
		// Something larger than all the room must still get through, alone.
		if w.pending == 0 || w.pending+e.bytes <= w.o.MaxPending {
			break
		}
		space := w.space
		w.hurry = true
		w.mu.Unlock()
		w.poke()
		select {
		case <-space:
		case <-ctx.Done():
			return ctx.Err()
		}
		w.mu.Lock()
	}
	e.log.accepted = e.last()
	w.waiting = append(w.waiting, e)
	w.pending += e.bytes
	w.bytes += e.bytes
	w.rows += len(e.records)
	w.gauge()
	w.mu.Unlock()
	w.poke()
	return nil
}

func (w *Writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// gauge shows what waits; the lock is held.
func (w *Writer) gauge() {
	w.o.Metrics.pendingBytes.Set(float64(w.pending))
	w.o.Metrics.pendingRows.Set(float64(w.rows))
}

// size is what a record weighs in memory.
func size(r *inference.Record) int64 {
	const bare = 1 << 10
	return bare + int64(len(r.Request)+len(r.Response)+len(r.ResponseText))
}

var errClosed = fault.New("ingest", fault.Unavailable, "the monitor is stopping; send the records again").WithReason("INGEST_STOPPING")

func (w *Writer) refuseClosed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errClosed
	}
	return nil
}

// Ready says why records cannot be made durable just now; nil when they can.
func (w *Writer) Ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failures >= 3 {
		return fault.Wrap("ingest.Ready", fault.Unavailable, w.lastErr, "the inference table takes no commits")
	}
	return nil
}

// Pending is the number of rows that wait for a commit.
func (w *Writer) Pending() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, p := range w.logs {
		n += int(p.accepted - p.committed)
	}
	return n
}
