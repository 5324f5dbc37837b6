//go:build !linux

package wal

import "os"

// syncData makes the bytes of f and its length durable.
func syncData(f *os.File) error { return f.Sync() }
