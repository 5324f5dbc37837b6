package gguf_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/gguf"
)

func testModel(name string) string {
	return filepath.Join("..", "..", "models", name)
}

func read(b []byte) (*gguf.Header, error) { return gguf.Read(bytes.NewReader(b), int64(len(b))) }

func TestARealModelsShapeIsWhatItsTrainingSaid(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]gguf.Model{
		"tiny2-q8_0.gguf": {Embedding: 192, FeedForward: 512, Heads: 6, KVHeads: []int{2, 2, 2, 2}, KeyLength: 32, Parameters: 1_672_896},
		"tiny-q8_0.gguf":  {Embedding: 128, FeedForward: 384, Heads: 4, KVHeads: []int{2, 2, 2, 2}, KeyLength: 32, Parameters: 853_120},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := gguf.Open(testModel(name))
			require.NoError(t, err)
			m, err := h.Model()
			require.NoError(t, err)
			require.Equal(t, "llama", m.Architecture)
			require.Equal(t, "Q8_0", m.Quantization)
			require.Equal(t, 4, m.Layers)
			require.Equal(t, want.Embedding, m.Embedding)
			require.Equal(t, want.FeedForward, m.FeedForward)
			require.Equal(t, want.Heads, m.Heads)
			require.Equal(t, want.KVHeads, m.KVHeads)
			require.Equal(t, want.KeyLength, m.KeyLength)
			require.Equal(t, want.KeyLength, m.ValueLength)
			require.Equal(t, 512, m.ContextLength)
			require.Equal(t, 512, m.Vocabulary)
			require.Equal(t, want.Parameters, m.Parameters)
			require.True(t, m.HasChatTemplate())
			require.Contains(t, m.ChatTemplate, "<|im_start|>")
			require.True(t, m.Causal)
			require.Equal(t, 1, m.Shards)
			st, err := os.Stat(testModel(name))
			require.NoError(t, err)
			last := h.Tensors[len(h.Tensors)-1]
			require.LessOrEqual(t, h.DataOffset+int64(last.Offset+last.Bytes), st.Size(), "tensors end inside the file")
			require.Less(t, st.Size()-h.DataOffset-int64(last.Offset+last.Bytes), int64(h.Alignment), "and nothing but padding follows")
		})
	}
}

func TestEveryTruncationIsACleanError(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(testModel("tiny2-q8_0.gguf"))
	require.NoError(t, err)
	h, err := read(whole)
	require.NoError(t, err)
	check := func(n int) {
		_, err := read(whole[:n])
		if !fault.Is(err, fault.Invalid) || fault.Reason(err) != gguf.ReasonDamaged {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	for n := range int(h.DataOffset) {
		check(n)
	}
	for n := int(h.DataOffset); n < len(whole)-int(h.Alignment); n += 4999 {
		check(n)
	}
}

func TestEveryFlippedHeaderByteIsAnErrorOrAConsistentHeader(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(testModel("tiny-q8_0.gguf"))
	require.NoError(t, err)
	h, err := read(whole)
	require.NoError(t, err)
	refused := 0
	for at := range int(h.DataOffset) {
		for _, mask := range []byte{0x01, 0xff} {
			whole[at] ^= mask
			if !consistent(t, whole) {
				refused++
			}
			whole[at] ^= mask
		}
	}
	require.Greater(t, refused, int(h.DataOffset)/4, "a reader that accepts everything would pass otherwise")
}

// consistent reads b and checks what the reader promises of every file: an error that blames the file, or a header whose
// tensors lie inside it. It reports whether the file was accepted.
func consistent(t *testing.T, b []byte) bool {
	t.Helper()
	h, err := read(b)
	if err != nil {
		if !fault.Is(err, fault.Invalid) {
			t.Fatalf("not blamed on the file: %v", err)
		}
		return false
	}
	for _, x := range h.Tensors {
		if h.DataOffset+int64(x.Offset)+int64(x.Bytes) > int64(len(b)) {
			t.Fatalf("tensor %s ends beyond the file", x.Name)
		}
	}
	m, err := h.Model()
	if err != nil {
		if !fault.Is(err, fault.Invalid) {
			t.Fatalf("not blamed on the file: %v", err)
		}
		return false
	}
	if len(m.KVHeads) != m.Layers || m.TensorBytes > uint64(len(b)) {
		t.Fatalf("a model of %d layers with %d kv entries and %d bytes", m.Layers, len(m.KVHeads), m.TensorBytes)
	}
	return true
}

func TestAReaderThatFailsIsNotTheFilesFault(t *testing.T) {
	t.Parallel()
	_, err := gguf.Read(brokenDisk{}, 1<<20)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.ErrorIs(t, err, errDisk)
	require.NotContains(t, fault.Text(err), errDisk.Error())
}

var errDisk = errors.New("input/output error on /dev/sda")

type brokenDisk struct{}

func (brokenDisk) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestAMissingFileIsNotFound(t *testing.T) {
	t.Parallel()
	_, err := gguf.Open(filepath.Join(t.TempDir(), "no.gguf"))
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
}

func FuzzRead(f *testing.F) {
	f.Add(model().bytes())
	f.Add(model().array("toy.attention.head_count_kv", 4, 2, 4).bytes())
	if b, err := os.ReadFile(testModel("tiny-q8_0.gguf")); err == nil {
		f.Add(b[:1024])
	}
	f.Add([]byte("GGUF\x03\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) { consistent(t, b) })
}
