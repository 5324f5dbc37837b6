// Package secretfile keeps the few secrets that must lie on disk: the master key and the first admin's token. Such a file
// is readable by its owner alone, appears whole or not at all, and is refused when others can read it, because a secret
// that everybody on the machine could read no longer is one.
package secretfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// maxBytes bounds what Read takes: the files of this package are one line.
const maxBytes = 4096

// Read is the file's one line. A file that is not there is an error that satisfies errors.Is(err, fs.ErrNotExist).
func Read(path string) (string, error) {
	const op = "secretfile.Read"
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fault.Wrap(op, fault.NotFound, err, "%s does not exist", path)
	case err != nil:
		return "", fault.Wrap(op, fault.FailedPrecondition, err, "%s cannot be read", path)
	case !info.Mode().IsRegular() || info.Size() > maxBytes:
		return "", fault.New(op, fault.FailedPrecondition, "%s is not a file with one secret in it", path)
	case info.Mode().Perm()&0o077 != 0:
		return "", fault.New(op, fault.FailedPrecondition, "%s may be read by others than its owner (mode %04o); make it 0600 and replace the secret in it if they did", path, info.Mode().Perm()).
			WithReason("SECRET_FILE_EXPOSED")
	}
	b, err := os.ReadFile(path) //nolint:gosec // a path the operator configured
	if err != nil {
		return "", fault.Wrap(op, fault.FailedPrecondition, err, "%s cannot be read", path)
	}
	return strings.TrimSpace(string(b)), nil
}

// Create writes a new file, for its owner alone. When there is one already, even one made at the same moment by somebody
// else, it stays as it is and the error satisfies errors.Is(err, fs.ErrExist).
func Create(path, secret string) error { return place(path, secret, os.Link) }

// Replace writes the file whether or not there was one.
func Replace(path, secret string) error { return place(path, secret, os.Rename) }

func place(path, secret string, put func(from, to string) error) error {
	const op = "secretfile.Write"
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Wrap(op, fault.FailedPrecondition, err, "directory %s cannot be made", dir)
	}
	temp, err := write(dir, filepath.Base(path), secret)
	if err == nil {
		err = put(temp, path)
	}
	if temp != "" {
		_ = os.Remove(temp) // after a rename there is nothing left to remove
	}
	if err == nil {
		err = syncDir(dir)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return fault.Wrap(op, fault.AlreadyExists, err, "%s exists", path)
	case err != nil:
		return fault.Wrap(op, fault.FailedPrecondition, err, "%s cannot be written", path)
	}
	return nil
}

// write puts the secret on the disk under a name nobody knows. CreateTemp makes files of mode 0600.
func write(dir, base, secret string) (name string, err error) {
	f, err := os.CreateTemp(dir, "."+base+".*")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := fmt.Fprintln(f, secret); err != nil {
		return f.Name(), err
	}
	return f.Name(), f.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // see Read
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
