package gguf

import (
	"cmp"
	"slices"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Model is the shape of a language model, read from a header's metadata.
type Model struct {
	Architecture string // "llama", "qwen3", "bert"
	Name         string // general.name, may be empty
	Quantization string // the format that holds most of the bytes: "Q8_0"

	Layers        int
	Embedding     int   // width of the residual stream
	FeedForward   int   // widest feed-forward layer, 0 when unknown
	Heads         int   // the largest number of query heads of a layer
	KVHeads       []int // key-value heads, one per layer; 0 where a layer keeps no keys (recurrent layers)
	KeyLength     int   // per head
	ValueLength   int   // per head
	ContextLength int   // tokens the model was trained for
	Vocabulary    int   // tokens
	SlidingWindow int   // tokens, 0 without one
	Experts       int   // 0 for a dense model
	LatentKV      int   // elements cached per layer and token under multi-head latent attention, 0 without it
	StateElements int   // recurrent state per layer and sequence, 0 without one

	Parameters  uint64
	TensorBytes uint64

	ChatTemplate string // Jinja source, empty when the model carries none
	Pooling      int    // llama.cpp's pooling type of an embedding model, -1 when the file does not say
	Causal       bool   // false for encoders such as BERT
	Shards       int    // files the model is split into, 1 for a whole model
	Shard        int    // index of this file among them
}

// HasChatTemplate reports whether the model says how a conversation is written down.
func (m Model) HasChatTemplate() bool { return m.ChatTemplate != "" }

// Limits of a believable model. They keep every product of the memory formulas far from overflow.
const (
	maxLayers  = 4096
	maxHeads   = 1 << 16
	maxWidth   = 1 << 24
	maxContext = 1 << 31
)

// Model reads the shape. It fails with Invalid when the file is no language model (an adapter, a projector), when a
// required number is missing or absurd, or when the header contradicts itself.
func (h *Header) Model() (Model, error) {
	const op = "gguf.Model"
	bad := func(format string, args ...any) (Model, error) {
		return Model{}, fault.New(op, fault.Invalid, format, args...).WithReason(ReasonDamaged)
	}
	m := Model{Pooling: -1, Causal: true, Shards: 1, Parameters: h.Parameters(), TensorBytes: h.TensorBytes()}
	if kind := h.text("general.type"); kind != "" && kind != "model" {
		return Model{}, fault.New(op, fault.Invalid, "this GGUF file holds no model but a part of one (general.type %q)", kind).WithReason(ReasonUnsupported)
	}
	if m.Architecture = h.text("general.architecture"); m.Architecture == "" {
		return bad("the GGUF file does not name an architecture (general.architecture)")
	}
	m.Name = h.text("general.name")
	m.ChatTemplate = h.text("tokenizer.chat_template")
	m.Quantization = h.quantization()

	r := shape{h: h, arch: m.Architecture}
	m.Layers = r.need("block_count", 1, maxLayers)
	m.Embedding = r.need("embedding_length", 1, maxWidth)
	m.ContextLength = r.need("context_length", 1, maxContext)
	heads := r.perLayer("attention.head_count", m.Layers, 0)
	m.KVHeads = r.perLayer("attention.head_count_kv", m.Layers, -1)
	m.FeedForward = slices.Max(append(r.perLayer("feed_forward_length", m.Layers, 0), 0))
	m.SlidingWindow = r.want("attention.sliding_window", 0, maxContext)
	m.Experts = r.want("expert_count", 0, maxHeads)
	m.Pooling = r.want("pooling_type", -1, 16)
	if v, ok := h.Metadata[m.Architecture+".attention.causal"]; ok {
		if causal, isBool := v.Bool(); isBool {
			m.Causal = causal
		}
	}
	if r.err != nil {
		return Model{}, r.err
	}
	m.Heads = slices.Max(append(heads, 0))
	head := 0
	if m.Heads > 0 {
		head = m.Embedding / m.Heads
	}
	m.KeyLength = r.want("attention.key_length", head, maxWidth)
	m.ValueLength = r.want("attention.value_length", head, maxWidth)
	if rank := r.want("attention.kv_lora_rank", 0, maxWidth); rank > 0 {
		m.LatentKV = rank + r.want("rope.dimension_count", 0, maxWidth)
	}
	m.StateElements = r.state(m.Embedding)
	m.Shards = max(1, r.global("split.count"))
	m.Shard = r.global("split.no")
	m.Vocabulary = h.vocabulary(&r)
	if r.err != nil {
		return Model{}, r.err
	}
	for i, kv := range m.KVHeads {
		if kv < 0 { // not said: as many as query heads
			m.KVHeads[i] = heads[i]
		}
		if heads[i] > 0 && m.KVHeads[i] > heads[i] {
			return bad("layer %d has %d key-value heads for %d heads", i, m.KVHeads[i], heads[i])
		}
	}
	if len(h.Tensors) == 0 {
		return bad("the GGUF file holds no tensors")
	}
	return m, nil
}

func (h *Header) text(key string) string {
	s, _ := h.Metadata[key].Text()
	return s
}

// quantization names the format that holds most of the model's bytes.
func (h *Header) quantization() string {
	bytes := map[Type]uint64{}
	for _, t := range h.Tensors {
		bytes[t.Type] += t.Bytes
	}
	var types []Type
	for t := range bytes {
		types = append(types, t)
	}
	if len(types) == 0 {
		return ""
	}
	return slices.MaxFunc(types, func(a, b Type) int { return cmp.Or(cmp.Compare(bytes[a], bytes[b]), cmp.Compare(b, a)) }).String()
}

// vocabulary counts the tokens; files without a token list say a number instead.
func (h *Header) vocabulary(r *shape) int {
	if n := h.Metadata["tokenizer.ggml.tokens"].Len(); n > 0 {
		return int(min(n, maxWidth))
	}
	return r.want("vocab_size", 0, maxWidth)
}
