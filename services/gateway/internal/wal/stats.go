package wal

// Stats is the log's account of itself. At every moment Admitted = Acked + Pending and Pending = Open + (Logged - Acked).
type Stats struct {
	Admitted uint64 // requests that have a BEGIN, since the log was created
	Logged   uint64 // requests that have an END: rows
	Acked    uint64 // rows that the monitor has stored
	Open     uint64 // requests in flight
	Pending  uint64 // admitted and not yet stored by the monitor
	Refused  uint64 // requests turned away by this process because the log was full or could not be written

	Syncs uint64 // of this process: how well appends share them is Logged by Syncs

	Bytes, CapBytes int64
	Segments        int
	Level           Level
	Recovered       int   // ENDs that this Open wrote for a process that had died
	TornBytes       int64 // what this Open cut off the tail
}

// Stats takes the log's lock for a moment.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Admitted: l.admitted, Logged: l.logged, Acked: l.acked,
		Open: uint64(len(l.open)), Pending: l.admitted - l.acked,
		Refused: l.refused.Load(), Syncs: l.syncs,
		Bytes: l.bytes, CapBytes: l.opt.CapBytes, Segments: len(l.segments), Level: l.Level(),
		Recovered: l.recovered, TornBytes: l.torn,
	}
}
