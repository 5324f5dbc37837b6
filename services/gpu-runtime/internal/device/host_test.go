package device

import (
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// machine is a file system with 16 GiB, 10 of them free, and eight cores.
func machine(files map[string]string) host {
	fsys := fstest.MapFS{
		"proc/cpuinfo": {Data: []byte("processor\t: 0\nmodel name\t: AMD EPYC 9654\nmodel name\t: AMD EPYC 9654\n")},
		"proc/meminfo": {Data: []byte("MemTotal:       16777216 kB\nMemFree:         1000000 kB\nMemAvailable:   10485760 kB\n")},
		"proc/stat":    {Data: []byte("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n")},
	}
	for name, data := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return host{root: fsys, cores: 8}
}

const gib = 1 << 30

func TestAMachineWithoutLimitsIsWhatItIs(t *testing.T) {
	t.Parallel()
	d, notes := machine(nil).cpu()
	require.Empty(t, notes)
	require.Equal(t, Device{ID: CPUID, Kind: CPU, Name: "AMD EPYC 9654", MemoryTotal: 16 * gib, MemoryFree: 10 * gib, Cores: 8, Utilization: -1}, d)
}

func TestTheTightestControlGroupCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files       map[string]string
		total, free int64
		cores       int
	}{
		"version 2, own group": {map[string]string{
			"proc/self/cgroup":                     "0::/pod/box\n",
			"sys/fs/cgroup/pod/box/memory.max":     "4294967296\n",
			"sys/fs/cgroup/pod/box/memory.current": "2147483648\n",
			"sys/fs/cgroup/pod/box/memory.stat":    "anon 1\ninactive_file 1073741824\n",
			"sys/fs/cgroup/pod/memory.max":         "max\n",
			"sys/fs/cgroup/pod/box/cpu.max":        "150000 100000\n",
		}, 4 * gib, 3 * gib, 2},
		"version 2, a parent is tighter": {map[string]string{
			"proc/self/cgroup":                 "0::/pod/box\n",
			"sys/fs/cgroup/pod/box/memory.max": "8589934592\n",
			"sys/fs/cgroup/pod/memory.max":     "2147483648\n",
			"sys/fs/cgroup/pod/memory.current": "3147483648\n",
			"sys/fs/cgroup/pod/cpu.max":        "max 100000\n",
		}, 2 * gib, 0, 8},
		"version 2, the path is outside the container": {map[string]string{
			"proc/self/cgroup":         "0::/../../elsewhere\n",
			"sys/fs/cgroup/memory.max": "1073741824\n",
			"sys/fs/cgroup/cpu.max":    "50000 100000\n",
		}, 1 * gib, 1 * gib, 1},
		"version 1": {map[string]string{
			"proc/self/cgroup": "5:memory:/box\n3:cpu,cpuacct:/box\n",
			"sys/fs/cgroup/memory/box/memory.limit_in_bytes": "4294967296\n",
			"sys/fs/cgroup/memory/box/memory.usage_in_bytes": "1073741824\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
			"sys/fs/cgroup/cpu/box/cpu.cfs_quota_us":         "300000\n",
			"sys/fs/cgroup/cpu/box/cpu.cfs_period_us":        "100000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":             "-1\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us":            "100000\n",
		}, 4 * gib, 3 * gib, 3},
		"a limit above the machine's memory": {map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "99999999999999\n",
		}, 16 * gib, 10 * gib, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := machine(c.files).cpu()
			require.Equal(t, c.total, d.MemoryTotal)
			require.Equal(t, c.free, d.MemoryFree)
			require.Equal(t, c.cores, d.Cores)
		})
	}
}

func TestWithoutProcTheNoteSaysSo(t *testing.T) {
	t.Parallel()
	d, notes := host{root: fstest.MapFS{}, cores: 4}.cpu()
	require.Equal(t, 4, d.Cores)
	require.NotEmpty(t, d.Name)
	require.Equal(t, []string{"the machine's memory cannot be read from /proc/meminfo"}, notes)
}

func TestUtilizationIsTheDifferenceOfTwoReadings(t *testing.T) {
	t.Parallel()
	r := &Reader{host: machine(nil), util: -1}
	require.Equal(t, -1, r.busy(), "one reading tells nothing")
	r.host = machine(map[string]string{"proc/stat": "cpu  250 0 150 850 150 0 0 0 0 0\n"})
	require.Equal(t, 50, r.busy())
	require.Equal(t, 50, r.busy(), "no time has passed")
	r.host = machine(map[string]string{"proc/stat": "nonsense"})
	require.Equal(t, -1, r.busy())
}

func TestThisMachineHasAProcessorAndMemory(t *testing.T) {
	t.Parallel()
	r := NewReader("")
	defer r.Close()
	inv := r.Read()
	d := inv.Devices[0]
	require.Equal(t, CPUID, d.ID)
	require.Positive(t, d.Cores)
	require.LessOrEqual(t, d.Cores, runtime.NumCPU())
	require.Positive(t, d.MemoryTotal)
	require.Positive(t, d.MemoryFree)
	require.LessOrEqual(t, d.MemoryFree, d.MemoryTotal)
	_, ok := inv.Find("GPU-none")
	require.False(t, ok)
}
