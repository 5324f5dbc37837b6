package wal

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Log is an open request log. All methods may be called at the same time.
type Log struct {
	opt    Options
	lock   *os.File
	source sourceID
	seed   uint32
	level  atomic.Int32
	pool   sync.Pool // of *Record

	refused atomic.Uint64

	mu        sync.Mutex
	epoch     uint64
	base      uint64     // rows before the epoch
	segments  []*segment // oldest first; the last one is written to
	file      *os.File   // of the last segment
	zeros     []byte     // a stretch of them
	large     bool       // the last record that needed room was
	retired   []*os.File // of earlier ones, until the committer is surely done with them
	open      map[Position]struct{}
	admitted  uint64
	logged    uint64
	acked     uint64
	bytes     int64
	durable   Position // everything before it is on the disk
	durableTo uint64   // the last row before durable
	round     *round
	waiters   int           // strict appends that wait for the next sync
	last      int           // how many waited for the last one
	progress  chan struct{} // closed and replaced whenever durable has moved, or nothing will move any more
	failed    error         // the log takes no more; see fail
	closed    bool
	syncs     uint64
	recovered int   // ENDs that Open wrote for a process that had died
	torn      int64 // bytes that Open cut off the tail

	ackMu  sync.Mutex // one writer of the acked file
	keptAt time.Time  // when it was written; under ackMu

	urgent, lazy, stop chan struct{}
	committer          sync.WaitGroup
}

// Ticket is the claim of an admitted request on its END. The zero Ticket belongs to nobody.
type Ticket struct{ at Position }

// Record returns an empty record from the log's pool.
func (l *Log) Record() *Record {
	r, _ := l.pool.Get().(*Record)
	if r == nil {
		r = new(Record)
	}
	r.reset()
	return r
}

// keepBytes bounds what the pool holds on to: one 400 KB prompt should not be paid for by every later small one.
const keepBytes = 1 << 20

func (l *Log) release(r *Record) {
	if cap(r.buf) <= keepBytes {
		l.pool.Put(r)
	}
}

// Begin admits a request: r is its BEGIN, written but not waited for. fault.Unavailable when the log is Full or has failed;
// the request must then be refused.
func (l *Log) Begin(r *Record) (Ticket, error) {
	const op = "wal.begin"
	defer l.release(r)
	sum := checksum(l.seed, r.Payload())
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.admit(op, r); err != nil {
		return Ticket{}, err
	}
	pos, err := l.write(op, r, header{kind: kindBegin, payload: sum, seq: l.admitted + 1})
	if err != nil {
		l.refused.Add(1)
		return Ticket{}, err
	}
	l.admitted++
	l.open[pos] = struct{}{}
	l.active().open++
	l.nudge(l.lazy)
	return Ticket{at: pos}, nil
}

// End closes an admitted request and returns the row's number since the log was created. With Strict it returns when the row
// is on the disk. A request is closed once; a second END of the same ticket is fault.Internal and changes nothing.
func (l *Log) End(t Ticket, r *Record, d Durability) (seq uint64, err error) {
	return l.finish("wal.end", r, d, func(sum uint32) (header, error) {
		if _, ok := l.open[t.at]; !ok {
			return header{}, fault.New("wal.end", fault.Internal, "the request at %s has been closed before", t.at)
		}
		return header{kind: kindEnd, payload: sum, seq: l.logged + 1, ref: t.at}, nil
	})
}

// Whole writes BEGIN and END as one record: for a request that was refused where it stood.
func (l *Log) Whole(r *Record, d Durability) (seq uint64, err error) {
	return l.finish("wal.whole", r, d, func(sum uint32) (header, error) {
		if err := l.admit("wal.whole", r); err != nil {
			return header{}, err
		}
		return header{kind: kindWhole, payload: sum, seq: l.logged + 1}, nil
	})
}

// finish writes a record that makes a row, and waits for the sync when d asks for it.
func (l *Log) finish(op string, r *Record, d Durability, compose func(sum uint32) (header, error)) (uint64, error) {
	sum := checksum(l.seed, r.Payload())
	l.mu.Lock()
	h, err := compose(sum)
	if err == nil {
		_, err = l.write(op, r, h)
	}
	if err != nil {
		l.mu.Unlock()
		l.release(r)
		return 0, err
	}
	l.logged = h.seq
	l.active().logged = h.seq
	l.active().sees(h.ref)
	if h.kind == kindWhole {
		l.admitted++
	} else {
		delete(l.open, h.ref)
		l.segment(h.ref.Segment()).open--
	}
	wait := l.round
	if d == Strict {
		l.waiters++
	}
	l.mu.Unlock()
	l.release(r)
	if d == Lean {
		l.nudge(l.lazy)
		return h.seq, nil
	}
	l.nudge(l.urgent)
	<-wait.done
	return h.seq, wait.err
}

// admit asks whether one more request fits into the budget; the lock is held.
func (l *Log) admit(op string, r *Record) error {
	if levelOf(l.bytes+int64(len(r.buf)), l.opt.CapBytes) < Full {
		return nil
	}
	l.refused.Add(1)
	return fault.New(op, fault.Unavailable, "the request log is full: the monitor has not taken its rows for too long").
		WithReason("REQUEST_LOG_FULL").WithRetryAfter(5 * time.Second)
}

// write appends one record; the lock is held. A write that failed half-way is taken back, so that the next one finds the end
// of the segment where it should be.
func (l *Log) write(op string, r *Record, h header) (Position, error) {
	if l.failed != nil {
		return 0, l.failed
	}
	if len(r.Payload()) > MaxPayloadBytes {
		return 0, fault.New(op, fault.TooLarge, "a record of %d bytes does not fit into the request log", len(r.Payload()))
	}
	s := l.active()
	if s.size > segmentHeaderSize && s.size+int64(len(r.buf)) > l.opt.SegmentBytes {
		if err := l.rotate(); err != nil {
			return 0, err
		}
		s = l.active()
	}
	h.length = uint32(len(r.Payload()))
	h.synced = l.syncedOffset()
	h.put(r.buf, l.seed)
	l.makeRoom(s, int64(len(r.buf)))
	if _, err := l.file.WriteAt(r.buf, s.size); err != nil {
		if undo := l.trim(s); undo != nil {
			l.fail(undo)
		}
		return 0, fault.Wrap(op, fault.Unavailable, err, "the request log cannot be written").WithReason("REQUEST_LOG_UNAVAILABLE")
	}
	pos := at(s.ordinal, s.size)
	s.size += int64(len(r.buf))
	s.room = max(s.room, s.size)
	l.bytes += int64(len(r.buf))
	l.weigh()
	return pos, nil
}

// stretch is how many zeros a segment is extended by at a time; less among records of at least large bytes, which mostly write
// beyond it and cost more to write twice than their sync costs.
const (
	stretch      = 1 << 20
	shortStretch = 128 << 10
	large        = 64 << 10
)

// makeRoom extends the file for n bytes more and for those that will follow. Where the disk has no room for a stretch it may
// still have some for the record, so a failure here is none.
func (l *Log) makeRoom(s *segment, n int64) {
	if s.size+n <= s.room {
		return
	}
	ahead := int64(stretch)
	if l.large {
		ahead = shortStretch
	}
	to := min(s.room+ahead, l.opt.SegmentBytes)
	if l.large = n >= large; l.large || to < s.size+n {
		return
	}
	if l.zeros == nil {
		l.zeros = make([]byte, stretch)
	}
	if _, err := l.file.WriteAt(l.zeros[:to-s.room], s.room); err == nil {
		s.room = to
	}
}

// trim cuts the file to what was written.
func (l *Log) trim(s *segment) error {
	err := l.file.Truncate(s.size)
	if err == nil {
		s.room = s.size
	}
	return err
}

// syncedOffset is the part of the active segment known to be on the disk.
func (l *Log) syncedOffset() uint32 {
	if l.durable.Segment() != l.active().ordinal {
		return segmentHeaderSize
	}
	return uint32(l.durable.Offset())
}

// rotate begins a new segment; the lock is held. The old one is synced first: a later segment never vouches for an earlier
// one that is not on the disk.
func (l *Log) rotate() error {
	const op = "wal.rotate"
	err := l.trim(l.active())
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		l.fail(err)
		return l.failed
	}
	l.settle()
	next := newSegment(l.opt.Dir, preface{
		ordinal: l.active().ordinal + 1, seed: l.seed, source: l.source,
		epoch: l.epoch, admitted: l.admitted, logged: l.logged, base: l.base,
	})
	file, err := createSegment(l.opt.Dir, next)
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err, "the request log cannot begin a segment").WithReason("REQUEST_LOG_UNAVAILABLE")
	}
	l.retired = append(l.retired, l.file)
	l.file = file
	l.segments = append(l.segments, next)
	l.bytes += segmentHeaderSize
	l.settle()
	return nil
}

// settle notes that everything written so far is on the disk; the lock is held.
func (l *Log) settle() {
	l.durable = at(l.active().ordinal, l.active().size)
	l.durableTo = l.logged
}

func (l *Log) active() *segment { return l.segments[len(l.segments)-1] }

// segment finds a live segment by its ordinal. Ordinals have no holes, so it is an index.
func (l *Log) segment(ordinal uint32) *segment { return l.segments[ordinal-l.segments[0].ordinal] }

// Source and Epoch are the name under which this log's rows are counted. Both are fixed while the log is open.
func (l *Log) Source() string { return l.source.String() }

// Epoch grows when the log was repaired.
func (l *Log) Epoch() uint64 { return l.epoch }
