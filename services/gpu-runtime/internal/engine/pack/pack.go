// Package pack finds the folder of prebuilt engine libraries on this machine. An engine pack is installed, not compiled:
// engines/package-lock.json pins it by content hash, and this package looks in the few places it may have been put, in a
// fixed order, and says all of them when it finds nothing.
package pack

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Version is the llama.cpp release whose binary interface the engine binding was written for. The interface moves with
// every release, so another version is refused and never tried.
const Version = "0.5.0"

// EnvDir names a pack folder and outranks every place but the configuration.
const EnvDir = "SLIPWAY_ENGINE_DIR"

// Pack is a folder with a complete set of libraries.
type Pack struct {
	Dir     string // absolute
	Llama   string // file name of the llama library
	Ggml    string // file name of the ggml library
	Variant string // "cpu", "cuda" or "vulkan", by the back end libraries that lie beside it
}

// GPU reports whether the pack can compute on a GPU.
func (p Pack) GPU() bool { return p.Variant != "cpu" }

// Places is where to look. Empty fields are left out.
type Places struct {
	Configured string // what the operator set: looked at alone when not empty
	Env        string // the value of SLIPWAY_ENGINE_DIR: likewise
	Home       string // the user's home folder
	Executable string // path of the running binary
	WorkDir    string // the working folder, and then every folder above it
}

// Here is the real machine's places.
func Here(configured string) Places {
	p := Places{Configured: configured, Env: os.Getenv(EnvDir)}
	p.Home, _ = os.UserHomeDir()
	p.Executable, _ = os.Executable()
	p.WorkDir, _ = os.Getwd()
	return p
}

// inModules is where npm puts the pack, below a folder that holds package.json.
func inModules() string {
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	platform := runtime.GOOS + "-" + arch
	return filepath.Join("node_modules", "@node-llama-cpp", platform, "bins", platform)
}

// dirs lists the candidates, best first.
func (p Places) dirs() []string {
	if p.Configured != "" {
		return []string{p.Configured}
	}
	if p.Env != "" {
		return []string{p.Env}
	}
	roots := []string{"/usr/lib/slipway/engines"}
	if p.Home != "" {
		roots = append(roots, filepath.Join(p.Home, ".local", "share", "slipway", "engines"))
	}
	if p.Executable != "" {
		roots = append(roots, filepath.Join(filepath.Dir(filepath.Dir(p.Executable)), "engines"))
	}
	for d := p.WorkDir; d != ""; d = filepath.Dir(d) {
		roots = append(roots, filepath.Join(d, "engines"))
		if d == filepath.Dir(d) {
			break
		}
	}
	var dirs []string
	for _, r := range roots {
		dirs = append(dirs, r, filepath.Join(r, inModules()))
	}
	return dirs
}

// Find returns the first place that holds a pack. When there is none the error lists where it looked and how to get one;
// a configured place is never silently replaced by another.
func Find(p Places) (Pack, error) {
	const op = "pack.Find"
	var looked []string
	for _, dir := range p.dirs() {
		for _, d := range []string{dir, filepath.Join(dir, inModules())} { // a configured folder may be the npm root too
			if found, ok := open(d); ok {
				return found, nil
			}
		}
		looked = append(looked, dir)
	}
	return Pack{}, fault.New(op, fault.FailedPrecondition, "no llama.cpp %s engine pack in %s: run `make engines`, or set %s to the folder that holds libllama", Version,
		strings.Join(looked, ", "), EnvDir).WithReason("ENGINE_PACK_MISSING")
}

var (
	llamaName = regexp.MustCompile(`^libllama(\.[a-z]+)?(\.v` + regexp.QuoteMeta(Version) + `)?\.so$`)
	ggmlName  = regexp.MustCompile(`^libggml(\.[a-z]+)?(\.v` + regexp.QuoteMeta(Version) + `)?\.so$`)
)

// open recognises a pack by its libraries.
func open(dir string) (Pack, bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Pack{}, false
	}
	p := Pack{Variant: "cpu"}
	for _, e := range entries {
		switch name := e.Name(); {
		case llamaName.MatchString(name):
			p.Llama = name
		case ggmlName.MatchString(name):
			p.Ggml = name
		case name == "libggml-cuda.so":
			p.Variant = "cuda"
		case name == "libggml-vulkan.so":
			p.Variant = "vulkan"
		}
	}
	if p.Dir, err = filepath.Abs(dir); err != nil || p.Llama == "" || p.Ggml == "" {
		return Pack{}, false
	}
	return p, true
}

// String is the engine's name as instances report it.
func (p Pack) String() string { return fmt.Sprintf("llama.cpp %s (%s)", Version, p.Variant) }
