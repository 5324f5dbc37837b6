package delta

import (
	"context"
	"strings"
	"time"
)

// Vacuumed is what Vacuum did.
type Vacuumed struct {
	Files int
	Bytes int64
}

// Vacuum deletes what no reader of a recent version can want: data files whose
// removal is older than the table's retention (delta.deletedFileRetentionDuration,
// 7 days unless set; files that a compaction replaced may have their own, see
// Options), and files that no commit names and that are older than the
// retention, which are what a crash between writing and committing leaves.
//
// A reader that holds a snapshot older than the retention will find files
// missing. A writer that takes longer than the retention between Write and
// Commit will commit a file that is gone; the retention is at least an hour.
func (t *Table) Vacuum(ctx context.Context) (Vacuumed, error) {
	var done Vacuumed
	s, err := t.Refresh(ctx)
	if err != nil {
		return done, err
	}
	cut := t.retentionCuts(s)
	hour := t.o.Now().Add(-time.Hour).UnixMilli()
	cut.deleted, cut.compacted = min(cut.deleted, hour), min(cut.compacted, hour)
	removed := make(map[string]tombstone, len(s.tombs))
	for _, tb := range s.tombs {
		removed[tb.key] = tb
	}
	for o, err := range t.store.List(ctx, "") {
		if err != nil {
			return done, err
		}
		if !vacuumable(o.Key) {
			continue
		}
		if _, live := s.find(o.Key); live {
			continue
		}
		tb, known := removed[o.Key]
		if known && cut.keeps(tb) {
			continue
		}
		if !known && o.ModTime.UnixMilli() >= cut.deleted {
			continue // perhaps being written; perhaps removed while we look
		}
		if err := t.store.Delete(ctx, o.Key); err != nil {
			return done, err
		}
		done.Files++
		done.Bytes += o.Size
	}
	return done, nil
}

// vacuumable leaves alone what other engines keep beside the data: names that
// begin with "_" or ".", except our own unfinished files.
func vacuumable(key string) bool {
	for seg := range strings.SplitSeq(key, "/") {
		if strings.HasPrefix(seg, "_") && !strings.Contains(seg, "=") {
			return false
		}
		if strings.HasPrefix(seg, ".") && !strings.HasPrefix(seg, tmpPrefix) {
			return false
		}
	}
	return true
}

// CleanLog deletes commits and checkpoints that are older than the table's
// delta.logRetentionDuration (30 days unless set) and that no reader needs,
// because a newer checkpoint that is itself old enough says the same. The
// history and the versions before that checkpoint are gone with them.
func (t *Table) CleanLog(ctx context.Context) (deleted int, err error) {
	s, err := t.Refresh(ctx)
	if err != nil {
		return 0, err
	}
	keep := max(interval(s.meta.Configuration["delta.logRetentionDuration"], defaultLogRetention), time.Hour)
	cut := t.o.Now().Add(-keep)
	var old []Object
	last := int64(-1) // the newest whole checkpoint before the cut
	for o, err := range t.store.List(ctx, logDir) {
		if err != nil {
			return 0, err
		}
		if !o.ModTime.Before(cut) {
			continue
		}
		if strings.HasPrefix(o.Key, logDir+tmpPrefix) {
			old = append(old, o)
			continue
		}
		e, ok := parseLogKey(o.Key)
		if !ok {
			continue
		}
		old = append(old, o)
		if e.checkpoint && e.of == 1 {
			last = max(last, e.version)
		}
	}
	for _, o := range old {
		e, ok := parseLogKey(o.Key)
		if ok && e.version >= last {
			continue
		}
		if err := t.store.Delete(ctx, o.Key); err != nil {
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}
