package pack_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/pack"
)

// put makes a folder look like a pack.
func put(t *testing.T, dir string, names ...string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, n := range names {
		require.NoError(t, os.WriteFile(filepath.Join(dir, n), nil, 0o644))
	}
	return dir
}

var libs = []string{"libllama.v0.5.0.so", "libggml.v0.5.0.so", "libggml-base.so", "libllama-common.so"}

func TestTheConfiguredFolderOutranksAllOthers(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	mine := put(t, filepath.Join(root, "mine"), libs...)
	env := put(t, filepath.Join(root, "env"), libs...)
	put(t, filepath.Join(root, "work", "engines"), libs...)
	places := pack.Places{Configured: mine, Env: env, WorkDir: filepath.Join(root, "work")}
	p, err := pack.Find(places)
	require.NoError(t, err)
	require.Equal(t, mine, p.Dir)
	places.Configured = ""
	p, err = pack.Find(places)
	require.NoError(t, err)
	require.Equal(t, env, p.Dir)
}

func TestAConfiguredFolderWithoutAPackIsAnErrorAndNotPassedOver(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, filepath.Join(root, "work", "engines"), libs...)
	_, err := pack.Find(pack.Places{Configured: filepath.Join(root, "empty"), WorkDir: filepath.Join(root, "work")})
	require.True(t, fault.Is(err, fault.FailedPrecondition))
	require.Contains(t, fault.Text(err), filepath.Join(root, "empty"))
	require.Contains(t, fault.Text(err), "make engines")
}

func TestThePackIsFoundBesideTheBinaryInTheHomeAndAboveTheWorkingFolder(t *testing.T) {
	t.Parallel()
	npm := filepath.Join("engines", "node_modules", "@node-llama-cpp", "linux-x64", "bins", "linux-x64")
	for name, set := range map[string]func(root string) (pack.Places, string){
		"beside the binary": func(r string) (pack.Places, string) {
			return pack.Places{Executable: filepath.Join(r, "bin", "slipway")}, filepath.Join(r, npm)
		},
		"in the home": func(r string) (pack.Places, string) {
			return pack.Places{Home: r}, filepath.Join(r, ".local", "share", "slipway", "engines")
		},
		"above the working folder": func(r string) (pack.Places, string) {
			return pack.Places{WorkDir: filepath.Join(r, "a", "b", "c")}, filepath.Join(r, npm)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			places, dir := set(t.TempDir())
			put(t, dir, libs...)
			p, err := pack.Find(places)
			require.NoError(t, err)
			require.Equal(t, dir, p.Dir)
			require.Equal(t, "libllama.v0.5.0.so", p.Llama)
			require.Equal(t, "libggml.v0.5.0.so", p.Ggml)
			require.Equal(t, "cpu", p.Variant)
		})
	}
}

func TestAnotherVersionsLibrariesAreNoPack(t *testing.T) {
	t.Parallel()
	dir := put(t, t.TempDir(), "libllama.v0.8.0.so", "libggml.v0.8.0.so")
	_, err := pack.Find(pack.Places{Configured: dir})
	require.Error(t, err)
}

func TestTheVariantIsReadFromTheBackEnds(t *testing.T) {
	t.Parallel()
	dir := put(t, t.TempDir(), "libllama.vulkan.v0.5.0.so", "libggml.vulkan.v0.5.0.so", "libggml-vulkan.so")
	p, err := pack.Find(pack.Places{Configured: dir})
	require.NoError(t, err)
	require.Equal(t, "vulkan", p.Variant)
	require.True(t, p.GPU())
}
