package wal

// Level is a step of the back-pressure ladder, by the share of the disk budget in use.
type Level int32

const (
	// Calm: below 70 %.
	Calm Level = iota
	// Warn: from 70 %. The monitor is behind; an operator should look.
	Warn
	// Shed: from 85 %. Rows should leave their bodies out, and say so.
	Shed
	// Full: from 95 %. New requests are refused with fault.Unavailable; the rest is kept for the ENDs of admitted ones.
	Full
)

func (l Level) String() string { return [...]string{"calm", "warn", "shed", "full"}[l] }

func levelOf(used, budget int64) Level {
	switch share := used * 100 / budget; {
	case share >= 95:
		return Full
	case share >= 85:
		return Shed
	case share >= 70:
		return Warn
	}
	return Calm
}

// Level is where the ladder stands now. It costs one atomic load.
func (l *Log) Level() Level { return Level(l.level.Load()) }

// weigh is called with the lock held whenever the size of the log has changed.
func (l *Log) weigh() {
	next := levelOf(l.bytes, l.opt.CapBytes)
	if last := Level(l.level.Swap(int32(next))); last != next {
		l.opt.Log.Warn("request log pressure changed", "from", last.String(), "to", next.String(), "bytes", l.bytes, "budget", l.opt.CapBytes)
	}
}
