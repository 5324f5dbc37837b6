package wal

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	segmentHeaderSize = 80
	segmentMagic      = "SLIPWAL1"
	segmentSuffix     = ".wal"
	// MaxSegmentBytes is what an offset of 32 bits can address, with room for one record more.
	MaxSegmentBytes = 2 << 30
)

// sourceID names a log for ever. It is half of the key under which the monitor remembers what it has stored.
type sourceID [16]byte

func (s sourceID) String() string {
	h := hex.EncodeToString(s[:])
	return h[0:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func parseSource(text string) (sourceID, error) {
	var s sourceID
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != len(s) {
		return s, fmt.Errorf("source id %q is not a UUID", text)
	}
	copy(s[:], raw)
	return s, nil
}

// preface is a segment's header: who wrote it and what had been counted before it.
type preface struct {
	ordinal  uint32
	seed     uint32
	source   sourceID
	epoch    uint64
	admitted uint64
	logged   uint64
	base     uint64 // rows before the epoch began: an epoch counts its own from 1
}

func (p preface) encode() []byte {
	b := make([]byte, segmentHeaderSize)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], p.ordinal)
	binary.LittleEndian.PutUint32(b[12:], p.seed)
	copy(b[16:], p.source[:])
	binary.LittleEndian.PutUint64(b[32:], p.epoch)
	binary.LittleEndian.PutUint64(b[40:], p.admitted)
	binary.LittleEndian.PutUint64(b[48:], p.logged)
	binary.LittleEndian.PutUint64(b[56:], p.base)
	binary.LittleEndian.PutUint32(b[76:], crc32.Checksum(b[:76], castagnoli))
	return b
}

var errPreface = errors.New("segment header is damaged")

func decodePreface(b []byte) (preface, error) {
	if len(b) < segmentHeaderSize || string(b[:8]) != segmentMagic ||
		binary.LittleEndian.Uint32(b[76:]) != crc32.Checksum(b[:76], castagnoli) {
		return preface{}, errPreface
	}
	p := preface{
		ordinal:  binary.LittleEndian.Uint32(b[8:]),
		seed:     binary.LittleEndian.Uint32(b[12:]),
		epoch:    binary.LittleEndian.Uint64(b[32:]),
		admitted: binary.LittleEndian.Uint64(b[40:]),
		logged:   binary.LittleEndian.Uint64(b[48:]),
		base:     binary.LittleEndian.Uint64(b[56:]),
	}
	copy(p.source[:], b[16:32])
	return p, nil
}

// segment is what the log keeps in memory about one file.
type segment struct {
	preface
	path   string
	size   int64
	room   int64  // the file's length: what lies beyond size is zeros, waiting to be written over
	logged uint64 // the last row number in this segment or before it
	open   int    // BEGINs here that have no END yet
	lowRef uint32 // the lowest ordinal that an END here points to; its own when none does
}

func newSegment(dir string, p preface) *segment {
	return &segment{preface: p, path: filepath.Join(dir, segmentName(p.ordinal)), size: segmentHeaderSize, room: segmentHeaderSize, logged: p.logged, lowRef: p.ordinal}
}

// sees notes a reference from this segment to an earlier one.
func (s *segment) sees(ref Position) {
	if ref != 0 {
		s.lowRef = min(s.lowRef, ref.Segment())
	}
}

func segmentName(ordinal uint32) string { return fmt.Sprintf("%010d%s", ordinal, segmentSuffix) }

func segmentOrdinal(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 10 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil && n > 0
}

// createSegment makes a file that survives a power cut before anything is written to it: header synced, then the directory.
func createSegment(dir string, s *segment) (*os.File, error) {
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(s.preface.encode())
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// listSegments returns the ordinals present, ascending.
func listSegments(dir string) ([]uint32, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []uint32
	for _, e := range entries {
		if n, ok := segmentOrdinal(e.Name()); ok && e.Type().IsRegular() {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found, nil
}

func readPreface(f io.ReaderAt) (preface, error) {
	b := make([]byte, segmentHeaderSize)
	if n, err := f.ReadAt(b, 0); n < segmentHeaderSize {
		if err == nil || errors.Is(err, io.EOF) {
			return preface{}, errPreface
		}
		return preface{}, err
	}
	return decodePreface(b)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
