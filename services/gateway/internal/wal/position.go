package wal

import "strconv"

// Position is the place of a record: the segment's ordinal in the upper 32 bits, the offset in the file in the lower. Positions
// order as records do. The zero Position is no record.
type Position uint64

func at(ordinal uint32, offset int64) Position {
	return Position(uint64(ordinal)<<32 | uint64(uint32(offset)))
}

// Segment is the ordinal of the segment that holds the record.
func (p Position) Segment() uint32 { return uint32(p >> 32) }

// Offset is the record's place in the segment's file.
func (p Position) Offset() int64 { return int64(uint32(p)) }

func (p Position) String() string {
	return strconv.FormatUint(uint64(p.Segment()), 10) + ":" + strconv.FormatInt(p.Offset(), 10)
}
