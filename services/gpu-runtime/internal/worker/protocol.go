// Package worker is the engine's own process: it loads one model and answers for it until it is told to stop or dies. It is
// the same binary as its parent, started again with a hidden argument, so that there is nothing to install and no version
// to match. It runs C++ that may abort; that is what it is for.
//
// The parent speaks to it over three lines and no more: a Config on standard input, Reports on file descriptor 3, and
// slipway.gpuruntime.v1.InferenceService over a unix socket in a folder that only its owner may enter. Log lines go to
// standard error as JSON.
package worker

import (
	"time"

	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/pack"
)

// Argument is the first argument of a process that is a worker.
const Argument = "engine-worker"

// reportsFD is the descriptor of the reports: the first after standard error.
const reportsFD = 3

// Config is all a worker is told.
type Config struct {
	Instance  string    `json:"instance"`
	Socket    string    `json:"socket"` // path of the unix socket to listen on
	Pack      pack.Pack `json:"pack"`
	Model     string    `json:"model"`      // path of the GGUF file
	GPULayers int32     `json:"gpu_layers"` // negative for all
	Context   int       `json:"context"`    // tokens per request
	Parallel  int       `json:"parallel"`
	Batch     int       `json:"batch"`
	Chunk     int       `json:"chunk"`
	Queue     int       `json:"queue"`
	Threads   int       `json:"threads"`
	Generate  bool      `json:"generate"`         // false for models that only embed
	Embedding int       `json:"embedding_tokens"` // longest input to embed, 0 for none
	LogLevel  string    `json:"log_level"`
}

// Report is one line from the worker; one of the fields is set.
type Report struct {
	Ready  *Ready  `json:"ready,omitempty"`
	Failed *Failed `json:"failed,omitempty"`
	Load   *Load   `json:"load,omitempty"`
}

// Ready says that the model is loaded and the socket answers.
type Ready struct {
	Engine       string `json:"engine"` // what the library says of itself
	Embedding    int    `json:"embedding"`
	ContextTrain int    `json:"context_train"`
	ChatFallback bool   `json:"chat_fallback"` // the model's own chat template is missing or not understood
}

// Failed says why the model cannot be loaded; the worker ends after it.
type Failed struct {
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

// Load is what the worker does now, and all it has done. It comes after each change, and every HeartbeatEvery without one:
// a worker that is silent for long is stuck.
type Load struct {
	Slots    int           `json:"slots"`
	Busy     int           `json:"busy"`
	Queued   int           `json:"queued"`
	Steps    int64         `json:"steps"`
	Input    int64         `json:"input"`    // prompt tokens
	Output   int64         `json:"output"`   // tokens written
	Embedded int64         `json:"embedded"` // tokens embedded
	StepAge  time.Duration `json:"step_age"` // how long the engine has been computing without coming back
}

// HeartbeatEvery is the longest time between two reports of a healthy worker.
const HeartbeatEvery = time.Second

// settle is how long changes are gathered before they are reported.
const settle = 20 * time.Millisecond
