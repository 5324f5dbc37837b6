package delta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

const (
	logDir         = "_delta_log/"
	lastCheckpoint = logDir + "_last_checkpoint"
)

func commitKey(v int64) string { return fmt.Sprintf("%s%020d.json", logDir, v) }

func checkpointKey(v int64) string { return fmt.Sprintf("%s%020d.checkpoint.parquet", logDir, v) }

func checkpointPartKey(v int64, part, parts int) string {
	return fmt.Sprintf("%s%020d.checkpoint.%010d.%010d.parquet", logDir, v, part, parts)
}

// logEntry is what a file name in the log says.
type logEntry struct {
	version    int64
	checkpoint bool
	part, of   int // of a checkpoint; 1 of 1 when it is whole
}

// parseLogKey reads a key of the log; ok is false for every other name.
func parseLogKey(key string) (logEntry, bool) {
	name, ok := strings.CutPrefix(key, logDir)
	if !ok || len(name) < 20 {
		return logEntry{}, false
	}
	v, err := strconv.ParseInt(name[:20], 10, 64)
	if err != nil || v < 0 {
		return logEntry{}, false
	}
	switch rest := name[20:]; rest {
	case ".json":
		return logEntry{version: v}, true
	case ".checkpoint.parquet":
		return logEntry{version: v, checkpoint: true, part: 1, of: 1}, true
	default:
		seg := strings.Split(rest, ".")
		if len(seg) != 5 || seg[1] != "checkpoint" || seg[4] != "parquet" {
			return logEntry{}, false
		}
		part, err1 := strconv.Atoi(seg[2])
		of, err2 := strconv.Atoi(seg[3])
		if err1 != nil || err2 != nil {
			return logEntry{}, false
		}
		return logEntry{version: v, checkpoint: true, part: part, of: of}, true
	}
}

// checkpointHint is the content of _last_checkpoint.
type checkpointHint struct {
	Version     int64 `json:"version"`
	Size        int64 `json:"size"` // actions
	Parts       int   `json:"parts,omitempty"`
	SizeInBytes int64 `json:"sizeInBytes,omitempty"`
	NumAddFiles int64 `json:"numOfAddFiles,omitempty"`
}

// keys are the files of the checkpoint.
func (h checkpointHint) keys() []string {
	if h.Parts <= 1 {
		return []string{checkpointKey(h.Version)}
	}
	keys := make([]string, h.Parts)
	for i := range keys {
		keys[i] = checkpointPartKey(h.Version, i+1, h.Parts)
	}
	return keys
}

// readHint reads _last_checkpoint; nil when there is none. A hint that does not
// parse is no hint: the file is replaced in place, and on some stores a reader
// may meet half of it.
func readHint(ctx context.Context, s Store) (*checkpointHint, error) {
	b, err := s.Get(ctx, lastCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if h := new(checkpointHint); json.Unmarshal(b, h) == nil {
		return h, nil
	}
	return nil, nil
}

// findCheckpoint lists the log for the newest complete checkpoint; nil when
// there is none. It is the way back when the hint is missing or names a file
// that is gone.
func findCheckpoint(ctx context.Context, s Store) (*checkpointHint, error) {
	type form struct {
		version int64
		of      int
	}
	seen := map[form]int{}
	var best *checkpointHint
	for o, err := range s.List(ctx, logDir) {
		if err != nil {
			return nil, err
		}
		e, ok := parseLogKey(o.Key)
		if !ok || !e.checkpoint {
			continue
		}
		f := form{e.version, e.of}
		seen[f]++
		if seen[f] == e.of && (best == nil || e.version >= best.Version) {
			best = &checkpointHint{Version: e.version, Parts: e.of}
		}
	}
	return best, nil
}
