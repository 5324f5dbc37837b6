package gguf_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/gguf"
)

func shapeOf(t *testing.T, f *file) gguf.Model {
	t.Helper()
	h, err := read(f.bytes())
	require.NoError(t, err)
	m, err := h.Model()
	require.NoError(t, err)
	return m
}

func TestKeyValueHeadsDefaultToHeads(t *testing.T) {
	t.Parallel()
	m := shapeOf(t, model())
	require.Equal(t, []int{4, 4}, m.KVHeads)
	require.Equal(t, 16, m.KeyLength)
	require.EqualValues(t, 136, m.TensorBytes)
	require.EqualValues(t, 128, m.Parameters)
}

func TestKeyValueHeadsMayDifferFromLayerToLayer(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{0, 2}, shapeOf(t, model().array("toy.attention.head_count_kv", 4, 0, 2)).KVHeads)
	require.Equal(t, []int{1, 2}, shapeOf(t, model().array("toy.attention.head_count_kv", 5, 1, 2, 3)).KVHeads, "extra entries belong to layers the model does not run")
}

func TestOptionalShapesAreRead(t *testing.T) {
	t.Parallel()
	m := shapeOf(t, model().u32("toy.attention.key_length", 24).u32("toy.attention.value_length", 8).u32("toy.attention.sliding_window", 32).
		u32("toy.attention.kv_lora_rank", 50).u32("toy.rope.dimension_count", 6).u32("toy.expert_count", 7).u32("toy.pooling_type", 1).
		u32("toy.ssm.inner_size", 10).u32("toy.ssm.state_size", 3).u32("toy.ssm.conv_kernel", 4).
		key("toy.attention.causal", 7, uint8(0)).u32("split.count", 3).text("general.name", "Toy").f32("toy.rope.freq_base", 1e4))
	require.Equal(t, 24, m.KeyLength)
	require.Equal(t, 8, m.ValueLength)
	require.Equal(t, 32, m.SlidingWindow)
	require.Equal(t, 56, m.LatentKV)
	require.Equal(t, 7, m.Experts)
	require.Equal(t, 1, m.Pooling)
	require.Equal(t, 10*3+3*10, m.StateElements)
	require.False(t, m.Causal)
	require.Equal(t, 3, m.Shards)
	require.Equal(t, "Toy", m.Name)
}

func TestAHeaderThatIsNoModelIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file *file
		says string
	}{
		"an adapter":               {model().text("general.type", "adapter"), "part of one"},
		"no architecture":          {newFile().tensor("w", 0, []uint64{8}, 0, make([]byte, 32)), "does not name an architecture"},
		"no layers":                {newFile().text("general.architecture", "toy"), "does not say toy.block_count"},
		"a million layers":         {newFile().text("general.architecture", "toy").u32("toy.block_count", 1e6), "not a number between"},
		"zero context":             {newFile().text("general.architecture", "toy").u32("toy.block_count", 1).u32("toy.embedding_length", 8).u32("toy.context_length", 0), "toy.context_length is 0"},
		"too few per-layer heads":  {model().array("toy.attention.head_count_kv", 4, 2), "nor one for each of 2 layers"},
		"an empty list of heads":   {model().array("toy.attention.head_count_kv", 4), "nor one for each of 2 layers"},
		"heads that are text":      {model().text("toy.attention.head_count_kv", "four"), "not one number"},
		"more kv heads than heads": {model().u32("toy.attention.head_count_kv", 5), "5 key-value heads for 4 heads"},
		"no tensors":               {newFile().text("general.architecture", "toy").u32("toy.block_count", 1).u32("toy.embedding_length", 8).u32("toy.context_length", 8), "holds no tensors"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := read(c.file.bytes())
			require.NoError(t, err)
			_, err = h.Model()
			require.True(t, fault.Is(err, fault.Invalid), "%v", err)
			require.Contains(t, fault.Text(err), c.says)
		})
	}
}
