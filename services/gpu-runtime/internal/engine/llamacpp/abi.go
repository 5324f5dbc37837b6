package llamacpp

import "unsafe"

// The three structures that cross the boundary by value, field by field as in llama.h of the pinned release. A field that
// moves changes the meaning of every field after it, so sizes and the offsets of fields we set are checked by the compiler.

// modelParams is llama_model_params.
//
//nolint:unused // a field that is not used keeps the place of those that are
type modelParams struct {
	devices, tensorBufts                               uintptr
	gpuLayers, splitMode, loadMode, lazyMode, mainGPU  int32
	tensorSplit, progress, progressData, kvOverrides   uintptr
	vocabOnly, checkTensors, extraBufts, noHost, noMem bool
	loadMTP                                            bool
}

// contextParams is llama_context_params.
//
//nolint:unused // a field that is not used keeps the place of those that are
type contextParams struct {
	ctx, batch, ubatch, seqMax, rsSeq, outputsMax, outputsMaxSeq  uint32
	threads, threadsBatch                                         int32
	ctxType, ropeType, pooling, attention, flash                  int32
	ropeBase, ropeScale, yarnExt, yarnAttn, yarnFast, yarnSlow    float32
	yarnOrig                                                      uint32
	defrag                                                        float32
	cbEval, cbEvalData                                            uintptr
	typeK, typeV                                                  int32
	abort, abortData                                              uintptr
	embeddings, offloadKQV, noPerf, opOffload, swaFull, kvUnified bool
	samplers                                                      uintptr
	samplerCount                                                  uint64
	other                                                         uintptr
}

// batch is llama_batch. Its arrays live in the engine's memory (llama_batch_init), so the collector has no part in them.
//
//nolint:unused // a field that is not used keeps the place of those that are
type batch struct {
	tokens int32
	token  *Token
	embd   *float32
	pos    *int32
	seqLen *int32
	seqID  **int32
	logits *int8
}

// chatMessage is llama_chat_message: two C strings.
type chatMessage struct{ role, content *byte }

const (
	_ = -(unsafe.Sizeof(modelParams{}) ^ 80)
	_ = -(unsafe.Sizeof(contextParams{}) ^ 160)
	_ = -(unsafe.Sizeof(batch{}) ^ 56)
	_ = -(unsafe.Sizeof(chatMessage{}) ^ 16)

	_ = -(unsafe.Offsetof(modelParams{}.gpuLayers) ^ 16)
	_ = -(unsafe.Offsetof(modelParams{}.mainGPU) ^ 32)
	_ = -(unsafe.Offsetof(modelParams{}.kvOverrides) ^ 64)
	_ = -(unsafe.Offsetof(modelParams{}.vocabOnly) ^ 72)
	_ = -(unsafe.Offsetof(contextParams{}.outputsMax) ^ 20)
	_ = -(unsafe.Offsetof(contextParams{}.threads) ^ 28)
	_ = -(unsafe.Offsetof(contextParams{}.pooling) ^ 44)
	_ = -(unsafe.Offsetof(contextParams{}.ropeBase) ^ 56)
	_ = -(unsafe.Offsetof(contextParams{}.cbEval) ^ 88)
	_ = -(unsafe.Offsetof(contextParams{}.typeK) ^ 104)
	_ = -(unsafe.Offsetof(contextParams{}.embeddings) ^ 128)
	_ = -(unsafe.Offsetof(contextParams{}.kvUnified) ^ 133)
	_ = -(unsafe.Offsetof(contextParams{}.samplers) ^ 136)
	_ = -(unsafe.Offsetof(batch{}.token) ^ 8)
	_ = -(unsafe.Offsetof(batch{}.logits) ^ 48)
)

// Token is a token's number in the model's vocabulary.
type Token = int32

// Pooling types of llama.h.
const (
	poolingUnspecified = -1
	poolingNone        = 0
	poolingMean        = 1
	poolingRank        = 4
)
