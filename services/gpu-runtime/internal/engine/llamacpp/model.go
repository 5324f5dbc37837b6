package llamacpp

import (
	"strconv"
	"unsafe"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Model is a loaded model: weights, vocabulary, chat template. Its methods may be called from many goroutines; Close only
// after every Generator and Embedder made from it is closed.
type Model struct {
	lib   *Library
	ptr   uintptr
	vocab uintptr

	ContextTrain int    // tokens the model was trained for
	Embedding    int    // length of its vectors
	Vocabulary   int    // tokens
	Encoder      bool   // has an encoder (embedding models)
	Decoder      bool   // can write
	Template     string // its chat template, empty without one
	chat         string // the template that is used
	ChatFallback bool   // chat is ChatML because the model's own template is missing or not understood
	pooling      int32
}

// LoadModel loads the file at path. gpuLayers is how many layers go to the GPU, negative for all; a CPU pack ignores it.
// A file the engine refuses is Invalid and the text says what the engine said.
func (l *Library) LoadModel(path string, gpuLayers int32) (*Model, error) {
	const op = "llamacpp.LoadModel"
	l.log.reset()
	p := l.modelDefaults()
	p.gpuLayers = gpuLayers
	ptr := l.loadModel(path, p)
	if ptr == 0 {
		said := l.log.take()
		if said == "" {
			said = "it gave no reason"
		}
		return nil, fault.New(op, fault.Invalid, "the engine refuses the model file: %s", said).WithReason("MODEL_REFUSED")
	}
	m := &Model{
		lib: l, ptr: ptr, vocab: l.getVocab(ptr), ContextTrain: int(l.ctxTrain(ptr)), Embedding: int(l.embdOut(ptr)),
		Encoder: l.hasEncoder(ptr), Decoder: l.hasDecoder(ptr), Template: goString(l.chatTmpl(ptr, nil)), pooling: poolingUnspecified,
	}
	m.Vocabulary = int(l.vocabSize(m.vocab))
	if n, err := strconv.Atoi(m.meta(m.meta("general.architecture") + ".pooling_type")); err == nil {
		m.pooling = int32(n)
	}
	m.chooseChat()
	return m, nil
}

// Close frees the weights.
func (m *Model) Close() {
	if m.ptr != 0 {
		m.lib.freeModel(m.ptr)
		m.ptr = 0
	}
}

// meta is a metadata value as text, "" when missing.
func (m *Model) meta(key string) string {
	var buf [256]byte
	n := m.lib.metaValue(m.ptr, key, &buf[0], uint64(len(buf)))
	if n < 0 {
		return ""
	}
	return string(buf[:min(int(n), len(buf)-1)])
}

// Tokenize turns text into tokens. begin adds the model's begin-of-text token when it has one; special lets text such as
// <|im_end|> become the control token it names, which must be allowed for templates only, never for what a caller wrote.
func (m *Model) Tokenize(text string, begin, special bool) ([]Token, error) {
	const op = "llamacpp.Tokenize"
	if len(text) > 1<<30 {
		return nil, fault.New(op, fault.TooLarge, "a text of %d bytes is too long to be tokenized", len(text))
	}
	var none byte
	p := &none
	if text != "" {
		p = unsafe.StringData(text)
	}
	out := make([]Token, len(text)/2+16)
	for range 2 {
		n := m.lib.tokenize(m.vocab, p, int32(len(text)), &out[0], int32(len(out)), begin, special)
		if n >= 0 {
			return out[:n], nil
		}
		if n == -1<<31 {
			break
		}
		out = make([]Token, -n)
	}
	return nil, fault.New(op, fault.Internal, "the text cannot be tokenized")
}

// Piece appends a token's bytes to b. Control tokens have none.
func (m *Model) Piece(b []byte, t Token) []byte {
	var buf [256]byte
	n := m.lib.piece(m.vocab, t, &buf[0], int32(len(buf)), 0, false)
	if n >= 0 {
		return append(b, buf[:n]...)
	}
	long := make([]byte, -n)
	n = m.lib.piece(m.vocab, t, &long[0], int32(len(long)), 0, false)
	return append(b, long[:max(n, 0)]...)
}

// Ends reports whether the token ends an answer.
func (m *Model) Ends(t Token) bool { return m.lib.isEOG(m.vocab, t) }

// newContext makes a context, or says why not.
func (m *Model) newContext(op string, p contextParams) (uintptr, error) {
	m.lib.log.reset()
	ctx := m.lib.initCtx(m.ptr, p)
	if ctx == 0 {
		return 0, fault.New(op, fault.ResourceExhausted, "the engine cannot make room for %d tokens of context: %s", p.ctx, m.lib.log.take())
	}
	return ctx, nil
}
