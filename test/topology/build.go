package topology

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// Services are the five, in the order in which they are started.
var Services = []string{"registry", "gpu-runtime", "serving", "monitor", "gateway"}

// Root is the repository's folder: the nearest above the working directory that has a go.work.
var Root = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no go.work above the working directory")
})

// Binaries builds slipway and the five services and returns their folder. Several test programs share it under a lock;
// the go command relinks only what changed.
var Binaries = sync.OnceValues(func() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	out := filepath.Join(root, ".build", "test-bin")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(root, ".build", "test-bin.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close() // lets go of the lock too
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	targets := map[string]string{"slipway": "./cmd/slipway"}
	for _, s := range Services {
		targets["slipway-"+s] = "./services/" + s + "/cmd/" + s
	}
	for name, pkg := range targets {
		cmd := exec.CommandContext(context.Background(), "go", "build", "-o", filepath.Join(out, name), pkg)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", name, err, output)
		}
	}
	return out, nil
})
