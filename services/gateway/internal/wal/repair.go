package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// quarantine is the folder in which Repair keeps the segments as it found them.
const quarantine = "damaged"

// Report says what Repair found and did.
type Report struct {
	Segments     int    // looked at
	Damaged      int    // rewritten; the originals lie in the folder "damaged"
	Gaps         int    // places
	DamagedBytes int64  // replaced by gaps
	LostRows     uint64 // rows known to be lost: numbers that no record carries any more and that the monitor had not acknowledged
	Epoch        uint64 // the log's epoch from now on
}

// Repair makes a damaged log readable again, with what is whole in it. It needs the same lock as Open. Rows that were lost
// are counted in the report; requests whose END may have been lost are closed by the next Open as uncertain.
func Repair(dir string) (Report, error) {
	lock, err := lockDir(dir)
	if errors.Is(err, errLocked) {
		return Report{}, fault.Wrap("wal.repair", fault.FailedPrecondition, err, "the request log is in use by another process").WithReason("REQUEST_LOG_LOCKED")
	}
	if err != nil {
		return Report{}, fault.Wrap("wal.repair", fault.Unavailable, err, "the request log cannot be locked")
	}
	defer unlock(lock)
	r := repairer{dir: dir, seen: map[uint64]struct{}{}}
	if err := r.run(); err != nil {
		return r.report, fault.Wrap("wal.repair", fault.DataLoss, err, "the request log cannot be repaired: %v", err)
	}
	return r.report, nil
}

type repairer struct {
	dir    string
	report Report
	model  preface             // what a damaged segment header is rebuilt from
	seen   map[uint64]struct{} // row numbers carried by whole records
	first  uint64              // rows before the first segment
}

func (r *repairer) run() error {
	ordinals, err := listSegments(r.dir)
	if err != nil {
		return err
	}
	if len(ordinals) == 0 {
		return errors.New("there is no segment to repair")
	}
	if err := r.identify(ordinals); err != nil {
		return err
	}
	for want := ordinals[0]; want <= ordinals[len(ordinals)-1]; want++ {
		if err := r.segment(want, want == ordinals[0], want == ordinals[len(ordinals)-1]); err != nil {
			return fmt.Errorf("segment %d: %w", want, err)
		}
	}
	var ack acked
	if _, err := readSmall(r.dir, ackedFile, &ack); err != nil {
		// The rows will be shipped again, and the monitor knows which it has.
		if err := os.Rename(filepath.Join(r.dir, ackedFile), filepath.Join(r.dir, quarantine, ackedFile)); err != nil {
			return err
		}
		ack = acked{}
	}
	for seq := max(r.first, ack.Seq) + 1; seq <= r.model.logged; seq++ {
		if _, ok := r.seen[seq]; !ok {
			r.report.LostRows++
		}
	}
	// The new epoch is what makes Open accept the gaps and begin a segment of its own. It comes last: a repair that was cut
	// short is simply done again.
	r.report.Epoch = r.model.epoch + 1
	return writeAtomic(r.dir, metaFile, meta{Source: r.model.source.String(), Epoch: r.report.Epoch, Seed: r.model.seed})
}

// identify finds the log's name in source.json or, when that is lost, in any segment whose header is whole.
func (r *repairer) identify(ordinals []uint32) error {
	if err := os.MkdirAll(filepath.Join(r.dir, quarantine), 0o700); err != nil {
		return err
	}
	var m meta
	if known, err := readSmall(r.dir, metaFile, &m); err == nil && known {
		if source, err := parseSource(m.Source); err == nil {
			r.model = preface{source: source, seed: m.Seed, epoch: m.Epoch}
			return nil
		}
	}
	for _, ordinal := range ordinals {
		f, err := os.Open(filepath.Join(r.dir, segmentName(ordinal)))
		if err != nil {
			return err
		}
		p, err := readPreface(f)
		closeAll([]*os.File{f})
		if err == nil && p.epoch >= r.model.epoch {
			r.model = preface{source: p.source, seed: p.seed, epoch: p.epoch}
		}
	}
	if r.model.epoch == 0 {
		return errors.New("neither source.json nor any segment header is whole: nothing says which checksums to expect")
	}
	return nil
}

// segment checks one file and rewrites it when it has to. r.model counts along, so that a lost header can be written anew.
func (r *repairer) segment(ordinal uint32, first, last bool) error {
	r.report.Segments++
	path := filepath.Join(r.dir, segmentName(ordinal))
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		r.report.Damaged++
		return r.replace(ordinal, r.modelFor(ordinal).encode())
	}
	if err != nil {
		return err
	}
	defer closeAll([]*os.File{f})
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head, dirty := r.header(f, ordinal)
	if first {
		r.first = head.logged
	}
	r.model.base = head.base
	r.model.admitted, r.model.logged = max(r.model.admitted, head.admitted), max(r.model.logged, head.logged)
	gaps, end, err := r.survey(f, max(info.Size(), segmentHeaderSize), last)
	if err != nil {
		return err
	}
	if !dirty && len(gaps) == 0 && end == info.Size() {
		return nil
	}
	r.report.Damaged++
	whole := make([]byte, end)
	if _, err := f.ReadAt(whole, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	copy(whole, head.encode())
	for _, g := range gaps {
		r.report.Gaps++
		r.report.DamagedBytes += g.size
		header{length: uint32(g.size - headerSize), kind: kindGap}.put(whole[g.off:], r.model.seed)
	}
	// A second name, so that a repair cut short here loses nothing; the first attempt's copy is the true original.
	if err := os.Link(path, filepath.Join(r.dir, quarantine, segmentName(ordinal))); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return r.replace(ordinal, whole)
}

// header returns the segment's header, or one made from what came before it.
func (r *repairer) header(f io.ReaderAt, ordinal uint32) (p preface, rebuilt bool) {
	p, err := readPreface(f)
	if err == nil && p.ordinal == ordinal && p.source == r.model.source && p.seed == r.model.seed && p.epoch <= r.model.epoch {
		return p, false
	}
	return r.modelFor(ordinal), true
}

func (r *repairer) modelFor(ordinal uint32) preface {
	p := r.model
	p.ordinal = ordinal
	return p
}

type gap struct{ off, size int64 }

// survey walks the segment, notes the stretches between whole records, and says where the rewritten segment ends.
func (r *repairer) survey(f io.ReaderAt, size int64, last bool) ([]gap, int64, error) {
	scan := newScanner(f, r.model.seed, segmentHeaderSize, size)
	var gaps []gap
	for {
		h, _, err := scan.next()
		switch {
		case err == nil:
			r.note(h)
			continue
		case errors.Is(err, io.EOF):
			return gaps, size, nil
		case !errors.Is(err, errTorn):
			return nil, 0, err
		}
		if last {
			if torn, err := scan.tornAt(scan.off); err != nil || torn {
				return gaps, scan.off, err
			}
		}
		from, to := scan.off, scan.off
		for to >= 0 && to-from < headerSize { // a gap needs room for its own header
			if to, err = scan.resync(to); err != nil {
				return nil, 0, err
			}
		}
		if to < 0 {
			to = size
		}
		if to-from < headerSize { // less than a header is left: nothing can have stood there
			return gaps, from, nil
		}
		gaps = append(gaps, gap{off: from, size: to - from})
		scan.off = to
	}
}

func (r *repairer) note(h header) {
	switch h.kind {
	case kindBegin:
		r.model.admitted = max(r.model.admitted, h.seq)
	case kindEnd, kindWhole:
		r.seen[h.seq] = struct{}{}
		r.model.logged = max(r.model.logged, h.seq)
	case kindGap:
	}
}

// replace puts a segment's new content in place, whole or not at all.
func (r *repairer) replace(ordinal uint32, content []byte) error {
	f, err := os.CreateTemp(r.dir, segmentName(ordinal)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(r.dir, segmentName(ordinal)))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(r.dir)
}
