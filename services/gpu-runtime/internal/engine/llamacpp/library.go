// Package llamacpp binds llama.cpp's shared libraries through purego: no cgo, no libffi, about fifty functions. It turns
// them into three things that are safe to use from Go: a Model (vocabulary, chat template), a Generator (continuous
// batching: one loop owns the context, every request one sequence of it) and an Embedder (the same for vectors).
//
// The library runs C++ in our address space: a bug there ends the process. That is why nothing but an engine worker, a
// child process that may die, imports this package's Open.
package llamacpp

import (
	"path/filepath"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/pack"
)

// Library is a loaded engine pack. Loading is per process and for good: the libraries keep global state of their own.
type Library struct {
	version       func() string
	backendInit   func()
	loadBackends  func(dir string)
	logSet        func(callback, data uintptr)
	typeSize      func(int32) uint64
	blockSize     func(int32) int64
	modelDefaults func() modelParams
	ctxDefaults   func() contextParams
	chainDefaults func() chainParams

	loadModel  func(path string, p modelParams) uintptr
	freeModel  func(uintptr)
	initCtx    func(model uintptr, p contextParams) uintptr
	freeCtx    func(uintptr)
	getVocab   func(model uintptr) uintptr
	ctxTrain   func(model uintptr) int32
	embdOut    func(model uintptr) int32
	hasEncoder func(model uintptr) bool
	hasDecoder func(model uintptr) bool
	chatTmpl   func(model uintptr, name *byte) uintptr
	metaValue  func(model uintptr, key string, buf *byte, size uint64) int32

	ctxSeq     func(ctx uintptr) uint32
	memory     func(ctx uintptr) uintptr
	seqRemove  func(mem uintptr, seq, from, to int32) bool
	clearMem   func(mem uintptr, data bool)
	decode     func(ctx uintptr, b batch) int32
	encode     func(ctx uintptr, b batch) int32
	batchInit  func(tokens, embd, seqs int32) batch
	batchFree  func(batch)
	embSeq     func(ctx uintptr, seq int32) *float32
	vocabSize  func(vocab uintptr) int32
	isEOG      func(vocab uintptr, t Token) bool
	isControl  func(vocab uintptr, t Token) bool
	tokenize   func(vocab uintptr, text *byte, n int32, out *Token, room int32, special, parse bool) int32
	piece      func(vocab uintptr, t Token, buf *byte, room, lstrip int32, special bool) int32
	applyChat  func(tmpl string, msgs *chatMessage, n uint64, assistant bool, buf *byte, room int32) int32
	chain      func(chainParams) uintptr
	chainAdd   func(chain, sampler uintptr)
	freeChain  func(uintptr)
	sample     func(chain, ctx uintptr, row int32) Token
	greedy     func() uintptr
	dist       func(seed uint32) uintptr
	topK       func(int32) uintptr
	topP       func(p float32, keep uint64) uintptr
	temp       func(float32) uintptr
	penalties  func(vocab, last int32, repeat, frequency, presence float32) uintptr
	systemInfo func() string

	Version string // what the library says of itself: "0.5.0-dev"
	log     *logSink
}

// chainParams is llama_sampler_chain_params.
type chainParams struct{ noPerf bool } //nolint:unused // handed from one call of the engine to another as it is

func (l *Library) llamaSymbols() map[string]any {
	return map[string]any{
		"llama_version": &l.version, "llama_backend_init": &l.backendInit, "llama_log_set": &l.logSet,
		"llama_model_default_params": &l.modelDefaults, "llama_context_default_params": &l.ctxDefaults, "llama_sampler_chain_default_params": &l.chainDefaults,
		"llama_model_load_from_file": &l.loadModel, "llama_model_free": &l.freeModel, "llama_init_from_model": &l.initCtx, "llama_free": &l.freeCtx,
		"llama_model_get_vocab": &l.getVocab, "llama_model_n_ctx_train": &l.ctxTrain, "llama_model_n_embd_out": &l.embdOut,
		"llama_model_has_encoder": &l.hasEncoder, "llama_model_has_decoder": &l.hasDecoder, "llama_model_chat_template": &l.chatTmpl,
		"llama_model_meta_val_str": &l.metaValue, "llama_n_ctx_seq": &l.ctxSeq, "llama_get_memory": &l.memory,
		"llama_memory_seq_rm": &l.seqRemove, "llama_memory_clear": &l.clearMem, "llama_decode": &l.decode, "llama_encode": &l.encode,
		"llama_batch_init": &l.batchInit, "llama_batch_free": &l.batchFree, "llama_get_embeddings_seq": &l.embSeq,
		"llama_vocab_n_tokens": &l.vocabSize, "llama_vocab_is_eog": &l.isEOG, "llama_vocab_is_control": &l.isControl,
		"llama_tokenize": &l.tokenize, "llama_token_to_piece": &l.piece, "llama_chat_apply_template": &l.applyChat,
		"llama_sampler_chain_init": &l.chain, "llama_sampler_chain_add": &l.chainAdd, "llama_sampler_free": &l.freeChain, "llama_sampler_sample": &l.sample,
		"llama_sampler_init_greedy": &l.greedy, "llama_sampler_init_dist": &l.dist, "llama_sampler_init_top_k": &l.topK, "llama_sampler_init_top_p": &l.topP,
		"llama_sampler_init_temp": &l.temp, "llama_sampler_init_penalties": &l.penalties, "llama_print_system_info": &l.systemInfo,
	}
}

func (l *Library) ggmlSymbols() map[string]any {
	return map[string]any{"ggml_backend_load_all_from_path": &l.loadBackends}
}

func (l *Library) baseSymbols() map[string]any {
	return map[string]any{"ggml_type_size": &l.typeSize, "ggml_blck_size": &l.blockSize}
}

var (
	loading sync.Mutex
	loaded  = map[string]*Library{} // by folder: the dynamic loader keeps one copy per process, so must we
)

// Open loads the pack's libraries and refuses any version but the pinned one. Log lines of the engine go to logs, which may
// be called from any thread. Opening the same folder again returns the same Library and keeps the first logs.
func Open(p pack.Pack, logs func(level Level, line string)) (*Library, error) {
	const op = "llamacpp.Open"
	loading.Lock()
	defer loading.Unlock()
	if l, ok := loaded[p.Dir]; ok {
		return l, nil
	}
	l := &Library{}
	for _, lib := range []struct {
		file    string
		symbols map[string]any
	}{{"libggml-base.so", l.baseSymbols()}, {p.Ggml, l.ggmlSymbols()}, {p.Llama, l.llamaSymbols()}} {
		handle, err := purego.Dlopen(filepath.Join(p.Dir, lib.file), purego.RTLD_NOW|purego.RTLD_GLOBAL)
		if err != nil {
			return nil, fault.Wrap(op, fault.FailedPrecondition, err, "the engine library %s cannot be loaded: %v", lib.file, err)
		}
		for name, fn := range lib.symbols {
			address, err := purego.Dlsym(handle, name)
			if err != nil {
				return nil, fault.Wrap(op, fault.FailedPrecondition, err, "the engine library %s has no %s: it is not llama.cpp %s", lib.file, name, pack.Version)
			}
			purego.RegisterFunc(fn, address)
		}
	}
	if l.Version = l.version(); !strings.HasPrefix(l.Version, pack.Version) {
		return nil, fault.New(op, fault.FailedPrecondition, "the engine library in %s is llama.cpp %s; this build is made for %s", p.Dir, l.Version, pack.Version)
	}
	l.log = newLogSink(logs)
	l.logSet(purego.NewCallback(l.log.callback), 0)
	l.backendInit()
	l.loadBackends(p.Dir)
	loaded[p.Dir] = l
	return l, nil
}

// BlockOf is the engine's own idea of a tensor format: elements per block and bytes per block, 0 for a withdrawn format.
func (l *Library) BlockOf(format int32) (elements int64, bytes uint64) {
	return l.blockSize(format), l.typeSize(format)
}

// cString makes a zero-terminated copy. Text with a zero byte inside would be cut by the engine; callers refuse it before.
func cString(s string) *byte {
	b := make([]byte, len(s)+1)
	copy(b, s)
	return &b[0]
}

// goString reads a zero-terminated string in the engine's memory.
func goString(address uintptr) string {
	if address == 0 {
		return ""
	}
	p := *(*unsafe.Pointer)(unsafe.Pointer(&address)) // the engine's memory, which the collector neither moves nor frees
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
