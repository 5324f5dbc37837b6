package flow

import (
	"context"
	"time"
)

// Rows is how monitors read the inference table. The table's owner implements it;
// this file is the contract.
//
// Scan calls each with batches of the rows that match q, in any order, each row
// once, from one snapshot of the table. It must not keep or change a batch after
// each returns, and each must not keep one either: columns may be reused. An
// error from each ends the scan and is returned as it is. Rows whose request_time
// lies in [From, To) match; a zero From or To leaves that side open.
//
// A scan over nothing calls each not at all and returns nil. ctx ends it early.
type Rows interface {
	Scan(ctx context.Context, q Query, each func(batch Columns) error) error
}

// Query selects rows and columns of the inference table.
type Query struct {
	Endpoint     string    // required, exact match
	From, To     time.Time // half-open span of request_time
	ServedEntity string    // only this served entity; empty: all
	// Columns are the names to fill, beyond request_time, which always comes: any of
	// domain.MonitorColumns. Milliseconds keep their fractions and are float64; tokens,
	// characters, bytes, other counts and status_code are int64; truth is the string
	// "true" or "false"; everything else is a string.
	Columns []string
	// SinceVersion asks only for rows that commits after this table version added;
	// negative: no such limit. It is a hint for finding what a refresh must look at
	// again: an implementation may return more rows than asked, never fewer.
	SinceVersion int64
}

// Columns is one batch of rows, column by column. Every slice has Len elements; a
// column that was asked for is in exactly one of the maps.
type Columns struct {
	Len          int
	RequestTime  []int64 // microseconds since 1970, UTC
	TableVersion int64   // the version of the snapshot that is being read, the same in all batches of a scan

	Float64 map[string]Float64s
	Int64   map[string]Int64s
	String  map[string]Strings
}

// Float64s is a column of floats. Null may be nil: no nulls.
type Float64s struct {
	Values []float64
	Null   []bool
}

// Int64s is a column of whole numbers. Null may be nil: no nulls.
type Int64s struct {
	Values []int64
	Null   []bool
}

// Strings is a column of texts. Null may be nil: no nulls.
type Strings struct {
	Values []string
	Null   []bool
}
