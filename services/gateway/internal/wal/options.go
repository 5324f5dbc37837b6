package wal

import (
	"log/slog"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
)

// Durability says how far a record has come when the append returns.
type Durability uint8

const (
	// Strict: synced to the disk.
	Strict Durability = iota
	// Lean: written to the operating system.
	Lean
)

// Options of a log. The zero value of each field but Dir, IDs and Orphan means its default.
type Options struct {
	Dir string
	// SegmentBytes is the size at which a new segment is begun; 64 MiB.
	SegmentBytes int64
	// CapBytes is the disk budget; 4 GiB. See Level for what happens on the way to it.
	CapBytes int64
	// SyncInterval bounds how long a lean record stays unsynced; 5 ms.
	SyncInterval time.Duration
	// IDs names the log once, when it is created.
	IDs id.Source
	// Orphan writes the END payload of a request whose process died. begin is its BEGIN payload; uncertain is true when a
	// repaired gap lies behind it, which may have held the true END.
	Orphan func(begin []byte, uncertain bool) (end []byte)
	Log    *slog.Logger
}

func (o Options) complete() (Options, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.CapBytes == 0 {
		o.CapBytes = 4 << 30
	}
	if o.SyncInterval == 0 {
		o.SyncInterval = 5 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	const op = "wal.options"
	switch {
	case o.Dir == "":
		return o, fault.New(op, fault.Invalid, "the request log needs a directory")
	case o.SegmentBytes < 4<<10 || o.SegmentBytes > MaxSegmentBytes:
		return o, fault.New(op, fault.Invalid, "a segment of %d bytes is outside 4 KiB to 2 GiB", o.SegmentBytes)
	case o.CapBytes < 2*o.SegmentBytes:
		return o, fault.New(op, fault.Invalid, "a budget of %d bytes holds fewer than two segments of %d", o.CapBytes, o.SegmentBytes)
	case o.IDs == nil || o.Orphan == nil:
		return o, fault.New(op, fault.Internal, "the request log needs an id source and an orphan writer")
	}
	return o, nil
}
