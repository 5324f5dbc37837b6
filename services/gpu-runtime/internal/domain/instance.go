// Package domain holds the nouns of a node and their rules: what may be loaded, and how an instance lives. It knows neither
// engines nor wires nor stores.
package domain

import (
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Spec says what to load. Two specs are the same request when they are equal, defaults not filled in.
type Spec struct {
	Model         string // full name of the registered model
	Version       int64
	Path          string // file inside the version; "" is its only GGUF file
	ContextLength int    // tokens per request; 0 lets the node choose
	Parallel      int    // requests decoded together; 0 lets the node choose
	DeviceID      string // "" lets the ledger choose
}

// Memory is a need in bytes, part by part.
type Memory struct{ Weights, KVCache, Overhead, Total int64 }

// Instance is one model on this node. It is a value: whoever holds one holds a snapshot.
type Instance struct {
	ID            string
	Spec          Spec
	State         State
	Message       string // for people
	DeviceID      string
	Predicted     Memory
	Observed      int64 // bytes, 0 before the first look
	Engine        string
	Active        int // requests that have a slot
	Queued        int // requests that wait for one
	Restarts      int
	ReadyTime     time.Time
	ContextLength int // per request, in force
	Embedding     int // length of its vectors
	Generation    int64
}

// maxID and the rest of the rules for an id follow from where it appears: on metrics, in logs, in process lists.
const maxID = 255

// CheckID refuses ids that would break a log line or a label.
func CheckID(id string) error {
	const op = "domain.CheckID"
	if id == "" || len(id) > maxID {
		return fault.New(op, fault.Invalid, "an instance id has 1 to %d bytes", maxID)
	}
	for _, r := range id {
		if r <= ' ' || r == 0x7f || r == '\uFFFD' {
			return fault.New(op, fault.Invalid, "an instance id has no spaces and no control characters")
		}
	}
	return nil
}

// Limits of a spec. The context's is what positions fit into; the engine's own is the model's.
const (
	maxParallel = 256
	maxContext  = 1 << 24
)

// Check refuses a spec that no model could satisfy.
func (s Spec) Check() error {
	const op = "domain.Spec"
	switch {
	case s.Model == "":
		return fault.New(op, fault.Invalid, "a model is needed")
	case s.Version <= 0:
		return fault.New(op, fault.Invalid, "a version is a number from 1")
	case s.ContextLength < 0 || s.ContextLength > maxContext:
		return fault.New(op, fault.Invalid, "a context length is from 1 to %d tokens, or 0", maxContext)
	case s.Parallel < 0 || s.Parallel > maxParallel:
		return fault.New(op, fault.Invalid, "from 1 to %d requests can be decoded together, or 0 for the default", maxParallel)
	}
	return nil
}

// minContext is the shortest context worth having: a short question and a short answer.
const minContext = 64

// Context chooses the context length in force: what was asked, but never more than the model was trained for; by default
// no more than limit.
func (s Spec) Context(trained, limit int) (int, error) {
	const op = "domain.Spec"
	if s.ContextLength > trained {
		return 0, fault.New(op, fault.Invalid, "a context of %d tokens is asked for; the model was trained for %d", s.ContextLength, trained)
	}
	if s.ContextLength > 0 && s.ContextLength < min(minContext, trained) {
		return 0, fault.New(op, fault.Invalid, "a context of %d tokens is too short; the least is %d", s.ContextLength, min(minContext, trained))
	}
	if s.ContextLength == 0 {
		return min(trained, limit), nil
	}
	return s.ContextLength, nil
}
