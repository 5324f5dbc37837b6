package wal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	metaFile  = "source.json"
	ackedFile = "acked.json"
	lockFile  = "LOCK"
)

// meta is the log's identity, written once and again by Repair.
type meta struct {
	Source string `json:"source_id"`
	Epoch  uint64 `json:"epoch"`
	Seed   uint32 `json:"seed"`
}

// acked is the last row that the monitor has stored for good.
type acked struct {
	Epoch uint64 `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

// writeAtomic replaces a small file: whoever reads it sees the old text or the new, whenever the power fails.
func writeAtomic(dir, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, name+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncDir(dir)
}

// readSmall reads what writeAtomic wrote; false when there is none yet.
func readSmall(dir, name string, v any) (bool, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}

// sweepTemporaries removes what an interrupted writeAtomic left behind.
func sweepTemporaries(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, "*.tmp"))
	for _, path := range left {
		_ = os.Remove(path)
	}
}
