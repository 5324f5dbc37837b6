package device

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// driver compiles the library of testdata/nvml.c, whose init answers with code.
func driver(t *testing.T, code string) string {
	t.Helper()
	lib := filepath.Join(t.TempDir(), "libnvidia-ml.so.1")
	out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-w", "-DFAIL_INIT="+code, "-o", lib, filepath.Join("testdata", "nvml.c")).CombinedOutput()
	require.NoError(t, err, string(out))
	return lib
}

func TestWithoutADriverTheInventorySaysSo(t *testing.T) {
	t.Parallel()
	r := NewReader(filepath.Join(t.TempDir(), "libnvidia-ml.so.1"))
	defer r.Close()
	inv := r.Read()
	require.Len(t, inv.Devices, 1)
	require.Equal(t, CPUID, inv.Devices[0].ID)
	require.Equal(t, []string{"no NVIDIA driver on this machine"}, inv.Notes)
	_, err := openNVML("no such library")
	require.ErrorIs(t, err, ErrNoDriver)
	_, ok := r.ProcessMemory("GPU-1", 1)
	require.False(t, ok)
}

func TestCardsAreReadThroughTheDriversLibrary(t *testing.T) {
	t.Parallel()
	const uuid = "GPU-11111111-2222-3333-4444-555555555555"
	r := NewReader(driver(t, "0"))
	defer r.Close()
	for range 2 { // the second reading uses the open library
		inv := r.Read()
		require.Len(t, inv.Devices, 2)
		require.Equal(t, CPU, inv.Devices[0].Kind, "the processor comes first")
		gpu, ok := inv.Find(uuid)
		require.True(t, ok)
		require.Equal(t, Device{ID: uuid, Kind: NVIDIA, Name: "NVIDIA Test 80GB", MemoryTotal: 80 << 30, MemoryFree: 60 << 30, Driver: "580.65.06", Utilization: 37}, gpu)
		require.Equal(t, []string{uuid + " is divided by MIG; its slices are not listed", "GPU 1: opening it: GPU is lost"}, inv.Notes)
	}
	bytes, ok := r.ProcessMemory(uuid, 1007)
	require.True(t, ok)
	require.EqualValues(t, 8<<20, bytes)
	_, ok = r.ProcessMemory(uuid, 1001)
	require.False(t, ok, "the driver does not say")
	_, ok = r.ProcessMemory(uuid, 4)
	require.False(t, ok)
	_, ok = r.ProcessMemory("GPU-other", 1007)
	require.False(t, ok)
}

func TestADriverThatDoesNotStartIsANoteWithItsReason(t *testing.T) {
	t.Parallel()
	r := NewReader(driver(t, "18"))
	defer r.Close()
	inv := r.Read()
	require.Len(t, inv.Devices, 1)
	require.Equal(t, []string{"the NVIDIA driver does not start: Driver/library version mismatch"}, inv.Notes)
}

func TestALibraryThatIsNotTheDriversIsANote(t *testing.T) {
	t.Parallel()
	r := NewReader("libc.so.6")
	defer r.Close()
	inv := r.Read()
	require.Len(t, inv.Notes, 1)
	require.Contains(t, inv.Notes[0], "too old")
}
