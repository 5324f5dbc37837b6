package wal

import (
	"errors"
	"os"
	"syscall"
)

// syncData makes the bytes of f and its length durable. It leaves out times and modes, which fsync would write too.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
