package gpuruntime

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// self is this binary, for starting it again. Linux gives a name that stays right when the file was replaced meanwhile, so
// that a worker always speaks its parent's version of the protocol.
func self() string {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe"
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// dataDir makes the data folder and returns its absolute path: workers run in a folder of their own, where a relative one
// would lead elsewhere.
func dataDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(abs, 0o700)
	}
	if err != nil {
		return "", fault.Wrap("gpuruntime.New", fault.Unavailable, err, "the data folder %s cannot be made", dir)
	}
	return abs, nil
}

const socketPrefix = "slipway-engines-"

// socketDir makes the folder of the workers' sockets, which only we may enter. It is not in the data folder: a socket's path
// has room for about a hundred bytes. Its name carries our process id, so that the folders of processes that were killed
// can be told and removed.
func socketDir() (string, error) {
	base := os.Getenv("XDG_RUNTIME_DIR")
	if base == "" {
		base = os.TempDir()
	}
	sweepSockets(base)
	dir, err := os.MkdirTemp(base, socketPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", fault.Wrap("gpuruntime.New", fault.Unavailable, err, "no folder for sockets can be made in %s", filepath.Clean(base))
	}
	return dir, nil
}

// sweepSockets removes folders whose process is gone. Another user's cannot be removed, and what is left over does no harm.
func sweepSockets(base string) {
	dirs, _ := filepath.Glob(filepath.Join(base, socketPrefix+"*"))
	for _, dir := range dirs {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), socketPrefix), "-")
		if pid, err := strconv.Atoi(owner); err == nil && pid > 0 && syscall.Kill(pid, 0) == syscall.ESRCH {
			_ = os.RemoveAll(dir)
		}
	}
}
