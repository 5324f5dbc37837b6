// Package store is the contract of a node's memory: what loading a model was observed to need. It outlives the process, so
// that the prediction after a restart knows what the one before learned.
//
// A footprint belongs to a way of loading: the file's content, the engine, the kind of device, and the sizes that shape
// buffers. It is known by the content and not by the model's name: two names for one file share what is known of it, and a
// new version under an old name inherits nothing.
//
// Update reads and writes one footprint in one transaction: of two that run at once the second sees what the first wrote.
// Its function may run more than once and must have no effect but its result.
//
// Text compares byte for byte. Times are kept in microseconds, finer digits are cut. Numbers come back exactly, the factor
// included. All errors are fault.Error: a footprint that is not there is NotFound, a race that was lost too often Aborted,
// a database that does not answer Unavailable.
package store

import (
	"context"
	"time"
)

// Key is a way of loading.
type Key struct {
	SHA256    string // of the model file, lower-case hex
	Engine    string // name, version and variant
	Device    string // kind: "cpu", "nvidia"
	Context   int
	Parallel  int
	Batch     int
	Embedding int
}

// Footprint is what is known of a way of loading.
type Footprint struct {
	Key       Key
	Model     string  // the name it was last loaded by, for people
	Predicted int64   // bytes, uncalibrated, at the last load
	Observed  int64   // bytes, at the last load
	Factor    float64 // observed / predicted over all loads, smoothed
	Samples   int64
	Updated   time.Time
}

// Store keeps footprints. It is safe for concurrent use.
type Store interface {
	// Find returns the footprint of exactly this key or, when there is none, the latest one of the same content, engine and
	// kind of device: another context length changes a prediction's size more than its error.
	Find(ctx context.Context, k Key) (Footprint, error)
	// Update replaces a key's footprint by fn's result, whose Key it keeps. fn gets the zero Footprint when there is none.
	Update(ctx context.Context, k Key, fn func(old Footprint) Footprint) (Footprint, error)
	// List returns all footprints, by content, then latest first.
	List(ctx context.Context) ([]Footprint, error)
	Ping(ctx context.Context) error
	Close() error
}
