// Package ledger knows what memory a node has given away. It predicts what a model will need from the header of its file,
// before a byte of weights is loaded; it reserves that need on a device or refuses; and it replaces the prediction by what
// was observed once the model runs, from which the next prediction of the same model learns.
//
// The package is arithmetic under a mutex: it reads no files, asks no driver and tells no time.
package ledger

import (
	"math"

	"github.com/slipway-ai/slipway/pkg/gguf"
)

// Plan is a model and the way it would be loaded.
type Plan struct {
	Model      gguf.Model
	Context    int  // tokens per request
	Parallel   int  // requests decoded together
	Batch      int  // tokens per step
	Embedding  int  // tokens of one embedding pass, 0 without embeddings
	Generation bool // false for models that only embed
}

// Estimate is a need in bytes, part by part.
type Estimate struct {
	Weights  int64 // exact: the tensors of the header
	KVCache  int64 // keys and values of every request's context, and recurrent state
	Overhead int64 // compute buffers, logits, the worker process and its libraries
	Total    int64 // the sum, after calibration
	Factor   float64
}

// Raw is the sum before calibration.
func (e Estimate) Raw() int64 { return e.Weights + e.KVCache + e.Overhead }

const (
	cacheBytes   = 2   // an element of the key-value cache is an f16
	floatBytes   = 4   // compute buffers and recurrent state are f32
	contextAlign = 256 // llama.cpp rounds every request's context up to this

	// processBytes is a worker before it has loaded anything: Go runtime, gRPC, the engine's libraries. Measured 45 MiB.
	processBytes = 48 << 20
	// activationWidth is how many rows of the residual stream's width live at once in a step's buffers, and hiddenWidth how
	// many of the feed-forward width. Measured on models of 1 M to 140 M parameters; calibration corrects the rest.
	activationWidth = 12
	hiddenWidth     = 3
)

// Predict is the need of a plan. All arithmetic saturates: an absurd header gives an absurd need, which is refused, and
// never a small one.
func Predict(p Plan) Estimate {
	m := p.Model
	var e Estimate
	e.Weights = clamp(float64(m.TensorBytes))
	tokens, overhead := 0.0, float64(processBytes)
	if p.Generation {
		tokens += float64(aligned(p.Context)) * float64(p.Parallel)
		overhead += stepBytes(m, p.Batch, aligned(p.Context), p.Parallel)
	}
	if p.Embedding > 0 {
		tokens += float64(aligned(p.Embedding))
		overhead += stepBytes(m, p.Embedding, aligned(p.Embedding), p.Embedding)
	}
	if m.Causal {
		sequences := float64(max(p.Parallel, 1))
		e.KVCache = clamp(kvBytes(m)*tokens + float64(m.Layers)*float64(m.StateElements)*floatBytes*sequences)
	}
	e.Overhead = clamp(overhead)
	e.Factor = 1
	e.Total = clamp(float64(e.Weights) + float64(e.KVCache) + float64(e.Overhead))
	return e
}

// kvBytes is what one token of context costs over all layers. Sliding-window layers are counted in full, because the engine
// is run with the full-size cache: it decodes many sequences at once, for which the small one is slow.
func kvBytes(m gguf.Model) float64 {
	if m.LatentKV > 0 {
		return float64(m.Layers) * float64(m.LatentKV) * cacheBytes
	}
	var heads float64
	for _, n := range m.KVHeads {
		heads += float64(n)
	}
	return heads * float64(m.KeyLength+m.ValueLength) * cacheBytes
}

// stepBytes is the compute buffer of a step of batch tokens: activations, the attention mask, and a row of logits for every
// output.
func stepBytes(m gguf.Model, batch, context, outputs int) float64 {
	rows := float64(batch) * (activationWidth*float64(m.Embedding) + hiddenWidth*float64(m.FeedForward))
	mask := float64(batch) * float64(context)
	logits := 2 * float64(outputs) * float64(m.Vocabulary) // once computed, once handed out
	return (rows + mask + logits) * floatBytes
}

func aligned(context int) int { return (context + contextAlign - 1) / contextAlign * contextAlign }

func clamp(x float64) int64 {
	if x >= math.MaxInt64/4 { // leaves room for sums of a few
		return math.MaxInt64 / 4
	}
	return int64(x)
}
