package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Open opens or creates the log in o.Dir, cuts off a torn tail, gives every request of a dead process its END, and starts
// the committer. It fails with fault.FailedPrecondition when another process holds the log and with fault.DataLoss when the
// log is damaged before its tail; Repair helps in that case and only then.
func Open(o Options) (*Log, error) {
	const op = "wal.open"
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fault.Wrap(op, fault.Unavailable, err, "the request log's directory cannot be made")
	}
	lock, err := lockDir(o.Dir)
	if errors.Is(err, errLocked) {
		return nil, fault.Wrap(op, fault.FailedPrecondition, err, "the request log is in use by another process").WithReason("REQUEST_LOG_LOCKED")
	}
	if err != nil {
		return nil, fault.Wrap(op, fault.Unavailable, err, "the request log cannot be locked")
	}
	l := &Log{
		opt: o, lock: lock, open: map[Position]struct{}{}, round: newRound(), progress: make(chan struct{}),
		urgent: make(chan struct{}, 1), lazy: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	orphans, err := l.load()
	if err != nil {
		unlock(lock)
		if l.file != nil {
			closeAll([]*os.File{l.file})
		}
		if fault.KindOf(err) == fault.Internal {
			err = fault.Wrap(op, fault.Unavailable, err, "the request log cannot be opened")
		}
		return nil, err
	}
	l.committer.Add(1)
	go l.commit()
	if err := l.adopt(orphans); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// load reads the identity, then every segment, and leaves the log ready for its first append. It returns the requests that
// have no END, oldest first.
func (l *Log) load() ([]orphan, error) {
	sweepTemporaries(l.opt.Dir)
	ordinals, err := listSegments(l.opt.Dir)
	if err != nil {
		return nil, err
	}
	if err := l.identify(len(ordinals) > 0); err != nil {
		return nil, err
	}
	var ack acked
	if _, err := readSmall(l.opt.Dir, ackedFile, &ack); err != nil {
		return nil, damaged("%s cannot be read: %v", ackedFile, err)
	}
	c := &census{log: l, open: l.open}
	for i, ordinal := range ordinals {
		if err := c.segment(ordinal, i == 0, i == len(ordinals)-1); err != nil {
			return nil, err
		}
	}
	if err := l.seat(c, ack); err != nil {
		return nil, err
	}
	return c.orphans()
}

// identify reads the log's name, or gives it one.
func (l *Log) identify(used bool) error {
	var m meta
	known, err := readSmall(l.opt.Dir, metaFile, &m)
	switch {
	case err != nil:
		return damaged("%s cannot be read: %v", metaFile, err)
	case !known && used:
		return damaged("%s is missing beside the segments", metaFile)
	case !known:
		var seed [4]byte
		if _, err := rand.Read(seed[:]); err != nil {
			return err
		}
		m = meta{Source: l.opt.IDs.New(), Epoch: 1, Seed: binary.LittleEndian.Uint32(seed[:])}
		if err := writeAtomic(l.opt.Dir, metaFile, m); err != nil {
			return err
		}
	}
	l.epoch, l.seed = m.Epoch, m.Seed
	l.source, err = parseSource(m.Source)
	return err
}

// seat takes over what the census found and makes the last segment, or a new one, ready for appends.
func (l *Log) seat(c *census, ack acked) error {
	repaired := len(c.segments) > 0 && c.segments[len(c.segments)-1].epoch < l.epoch
	l.segments, l.admitted, l.logged, l.acked = c.segments, c.admitted, c.logged, c.floor
	for _, s := range l.segments {
		l.bytes += s.size
	}
	switch {
	case repaired:
		l.logged = max(l.logged, ack.Seq) // numbers that the damage swallowed are not used again, though the epoch would allow it
		l.admitted = max(l.admitted, l.logged+uint64(len(l.open)))
	case ack.Seq > l.logged:
		return damaged("row %d is acknowledged but the log ends at row %d", ack.Seq, l.logged)
	}
	l.acked = max(l.acked, ack.Seq)
	if repaired {
		l.base = l.logged
	} else if len(l.segments) > 0 {
		l.base = l.active().base
	}
	if len(l.segments) == 0 {
		return l.found()
	}
	var err error
	if l.file, err = os.OpenFile(l.active().path, os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := l.trim(l.active()); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil { // what was read may have been in the page cache only
		return err
	}
	l.settle()
	l.weigh()
	if repaired {
		return l.rotate()
	}
	return nil
}

// found makes the first segment of a new log.
func (l *Log) found() error {
	first := newSegment(l.opt.Dir, preface{ordinal: 1, seed: l.seed, source: l.source, epoch: l.epoch})
	file, err := createSegment(l.opt.Dir, first)
	if err != nil {
		return err
	}
	l.file, l.segments, l.bytes = file, []*segment{first}, segmentHeaderSize
	l.settle()
	return nil
}

type orphan struct {
	at        Position
	begin     []byte
	uncertain bool
}

// adopt writes the END of every request whose process died before it could.
func (l *Log) adopt(orphans []orphan) error {
	for i, o := range orphans {
		r := l.Record()
		r.Append(l.opt.Orphan(o.begin, o.uncertain)...)
		d := Lean
		if i == len(orphans)-1 {
			d = Strict // one sync for them all
		}
		if _, err := l.End(Ticket{at: o.at}, r, d); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.recovered = len(orphans)
	l.mu.Unlock()
	if len(orphans) > 0 {
		l.opt.Log.Warn("requests of a dead process closed", "requests", len(orphans))
	}
	return nil
}

// census is one reading of all segments: it counts, checks that the numbers follow each other, and keeps who is still open.
type census struct {
	log      *Log
	segments []*segment
	open     map[Position]struct{}
	admitted uint64
	logged   uint64
	floor    uint64 // rows before the first segment: acknowledged, or it could not have been deleted
}

// repaired says whether a repair has been over the segment: then records may be missing in it or behind it.
func (c *census) repaired(s *segment) bool { return s.epoch < c.log.epoch }

func (c *census) segment(ordinal uint32, first, last bool) error {
	path := filepath.Join(c.log.opt.Dir, segmentName(ordinal))
	if !first && ordinal != c.segments[len(c.segments)-1].ordinal+1 {
		return damaged("segment %d is missing", ordinal-1)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer closeAll([]*os.File{f})
	info, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := readPreface(f)
	if errors.Is(err, errPreface) && last && info.Size() <= segmentHeaderSize {
		return os.Remove(path) // its creation was cut short: nothing was ever written behind it
	}
	if err == nil {
		err = c.belongs(p, ordinal, first)
	}
	if err != nil {
		return damaged("segment %d: %v", ordinal, err)
	}
	if first {
		c.admitted, c.logged, c.floor = p.admitted, p.logged, p.logged
	}
	s := newSegment(c.log.opt.Dir, p)
	c.segments = append(c.segments, s)
	c.admitted, c.logged = max(c.admitted, p.admitted), max(c.logged, p.logged)
	return c.records(s, newScanner(f, c.log.seed, segmentHeaderSize, info.Size()), last)
}

// belongs checks a segment against the log and against the segments before it. Counts may jump
// where a repair was, and only there.
func (c *census) belongs(p preface, ordinal uint32, first bool) error {
	switch {
	case p.source != c.log.source || p.seed != c.log.seed:
		return errors.New("it belongs to another log")
	case p.ordinal != ordinal:
		return fmt.Errorf("it says it is segment %d", p.ordinal)
	case p.epoch > c.log.epoch:
		return fmt.Errorf("epoch %d is later than the log's %d", p.epoch, c.log.epoch)
	case !first && !c.repaired(c.segments[len(c.segments)-1]) && (p.admitted != c.admitted || p.logged != c.logged):
		return fmt.Errorf("it begins behind request %d and row %d, but the one before it ends at %d and %d", p.admitted, p.logged, c.admitted, c.logged)
	}
	return nil
}

func (c *census) records(s *segment, scan *scanner, last bool) error {
	for {
		pos := at(s.ordinal, scan.off)
		h, _, err := scan.next()
		switch {
		case errors.Is(err, io.EOF):
			s.size = scan.off
			return nil
		case errors.Is(err, errTorn):
			torn, length, err := c.tail(scan, last)
			if err != nil {
				return err
			}
			if !torn {
				return damaged("segment %d holds no whole record at offset %d, and later records rely on it", s.ordinal, scan.off)
			}
			s.size = scan.off
			c.log.torn = length
			return nil
		case err != nil:
			return err
		}
		if err := c.count(s, pos, h); err != nil {
			return damaged("segment %d, offset %d: %v", s.ordinal, pos.Offset(), err)
		}
	}
}

// tail says whether what stands at the scanner's place may be cut off, and how much of it is more than room to write on.
func (c *census) tail(scan *scanner, last bool) (torn bool, length int64, err error) {
	if !last {
		return false, 0, nil
	}
	end, err := scan.contentEnd()
	if err != nil || end == scan.off {
		return true, 0, err
	}
	torn, err = scan.tornAt(scan.off)
	return torn, end - scan.off, err
}

func (c *census) count(s *segment, pos Position, h header) error {
	gap := c.repaired(s)
	switch h.kind {
	case kindGap:
		if !gap {
			return errors.New("it holds a gap but no repair is on record")
		}
		return nil
	case kindBegin:
		if h.seq != c.admitted+1 && !gap {
			return fmt.Errorf("request %d follows request %d", h.seq, c.admitted)
		}
		c.admitted = max(c.admitted, h.seq)
		c.open[pos] = struct{}{}
		s.open++
		return nil
	}
	if h.seq != c.logged+1 && !gap {
		return fmt.Errorf("row %d follows row %d", h.seq, c.logged)
	}
	c.logged = max(c.logged, h.seq)
	s.logged = c.logged
	s.sees(h.ref)
	if h.kind == kindWhole {
		c.admitted++
		return nil
	}
	if _, ok := c.open[h.ref]; ok {
		delete(c.open, h.ref)
		c.segments[h.ref.Segment()-c.segments[0].ordinal].open--
	} else if h.ref.Segment() >= c.segments[0].ordinal && !gap {
		return fmt.Errorf("row %d closes no open request", h.seq)
	}
	return nil
}

// orphans reads the BEGINs that were left open.
func (c *census) orphans() ([]orphan, error) {
	var found []orphan
	for _, pos := range slices.Sorted(maps.Keys(c.open)) {
		begin, err := readRecord(c.log.opt.Dir, c.log.seed, pos)
		if err != nil {
			return nil, err
		}
		found = append(found, orphan{at: pos, begin: begin, uncertain: c.repaired(c.log.segment(pos.Segment()))})
	}
	return found, nil
}

// readRecord reads one record's payload by its position.
func readRecord(dir string, seed uint32, pos Position) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, segmentName(pos.Segment())))
	if err != nil {
		return nil, err
	}
	defer closeAll([]*os.File{f})
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	_, payload, err := newScanner(f, seed, pos.Offset(), info.Size()).next()
	return payload, err
}

func damaged(format string, args ...any) error {
	return fault.New("wal.open", fault.DataLoss, "the request log is damaged: %s; `slipway repair-log` keeps what is whole", fmt.Sprintf(format, args...)).
		WithReason("REQUEST_LOG_DAMAGED")
}
