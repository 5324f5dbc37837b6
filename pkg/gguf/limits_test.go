package gguf_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/gguf"
)

func ptr(n uint64) *uint64 { return &n }

func TestALyingFileIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	claim := func(tensors, keys *uint64) []byte {
		f := model()
		f.tensorCount, f.keyCount = tensors, keys
		return f.bytes()
	}
	version := func(v uint32) []byte {
		f := model()
		f.version = v
		return f.bytes()
	}
	odd := newFile().u32("general.alignment", 48)
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"empty":                           {nil, "ends inside the header"},
		"another format":                  {[]byte("PK\x03\x04 a zip file, as it happens, long enough"), "does not begin with GGUF"},
		"version 1":                       {version(1), "version 1 is not supported"},
		"version 9":                       {version(9), "version 9 is not supported"},
		"big-endian":                      {version(3 << 24), "big-endian"},
		"2^62 keys":                       {claim(nil, ptr(1<<62)), "metadata keys are announced"},
		"2^63 tensors":                    {claim(ptr(1<<63), nil), "tensors are announced"},
		"a key of 2^60 bytes":             {append(newFile().bytes()[:16], append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10}, make([]byte, 64)...)...), "a key of"},
		"a string longer than the file":   {newFile().key("k", 8, uint64(1<<20)).bytes(), "a string of"},
		"an array longer than the file":   {newFile().key("k", 9, uint32(4), uint64(1<<40)).bytes(), "does not fit"},
		"an array of arrays":              {newFile().key("k", 9, uint32(9), uint64(1), uint64(0)).bytes(), "unknown type 9"},
		"an unknown value type":           {newFile().key("k", 77, uint64(0)).bytes(), "unknown type 77"},
		"a key twice":                     {newFile().u32("k", 1).u32("k", 2).bytes(), "appears twice"},
		"no name for a key":               {newFile().u32("", 1).bytes(), "empty or unreadable key"},
		"an alignment of 48":              {odd.bytes(), "not a power of two"},
		"a tensor twice":                  {model().tensor("w", 0, []uint64{8}, 160, make([]byte, 32)).bytes(), "appears twice"},
		"a tensor name of 64 bytes":       {newFile().tensor(strings.Repeat("n", 64), 0, []uint64{8}, 0, make([]byte, 32)).bytes(), "a tensor name of 64"},
		"five dimensions":                 {newFile().tensor("w", 0, []uint64{2, 2, 2, 2, 2}, 0, make([]byte, 128)).bytes(), "5 dimensions"},
		"an extent of zero":               {newFile().tensor("w", 0, []uint64{0}, 0, make([]byte, 32)).bytes(), "an extent of 0"},
		"extents that overflow":           {newFile().tensor("w", 0, []uint64{1 << 32, 1 << 32}, 0, make([]byte, 32)).bytes(), "impossibly large"},
		"a withdrawn format":              {newFile().tensor("w", 4, []uint64{32}, 0, make([]byte, 32)).bytes(), "unknown format 4"},
		"rows that are no whole blocks":   {newFile().tensor("w", 8, []uint64{33}, 0, make([]byte, 64)).bytes(), "not a multiple of the 32 of a Q8_0"},
		"tensors that overlap":            {newFile().tensor("a", 0, []uint64{16}, 0, make([]byte, 64)).tensor("b", 0, []uint64{8}, 32, make([]byte, 32)).bytes(), "lies at offset 32 where 64"},
		"data that ends beyond the file":  {newFile().tensor("w", 0, []uint64{64}, 0, make([]byte, 200)).bytes(), "cut short"},
		"header with no room for the end": {newFile().tensor("w", 0, []uint64{64}, 0, nil).bytes(), "cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := read(c.file)
			require.True(t, fault.Is(err, fault.Invalid), "%v", err)
			require.Contains(t, fault.Text(err), c.says)
			require.Contains(t, []string{gguf.ReasonDamaged, gguf.ReasonUnsupported}, fault.Reason(err))
		})
	}
}

// Not parallel on purpose: it measures the whole process's allocations, and parallel tests wait until it is over.
func TestALyingFileCostsNoMemory(t *testing.T) {
	for name, b := range map[string][]byte{
		"2^31 tensors in 1 KB": func() []byte {
			f := model()
			f.tensorCount = ptr(1 << 31)
			return append(f.bytes(), make([]byte, 1024)...)
		}(),
		"a 4 MiB string in 1 KB": append(newFile().key("k", 8, uint64(4<<20)).bytes(), make([]byte, 1024)...),
		"an array of 2^40":       append(newFile().key("k", 9, uint32(0), uint64(1<<40)).bytes(), make([]byte, 1024)...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := read(b)
		runtime.ReadMemStats(&after)
		require.Error(t, err, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<10), name)
	}
}

func TestAHeaderOfManyBelievableStringsIsStillRefused(t *testing.T) {
	t.Parallel()
	f := newFile()
	long := strings.Repeat("x", 4<<20)
	for _, k := range strings.Split("abcdefghijklmnopq", "") {
		f.text(k, long)
	}
	_, err := read(f.bytes())
	require.True(t, fault.Is(err, fault.Invalid))
	require.Contains(t, fault.Text(err), "more than 64 MiB")
}
