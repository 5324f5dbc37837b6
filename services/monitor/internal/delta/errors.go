package delta

import (
	"errors"
	"fmt"
)

// ErrNotTable says that a place holds no Delta log.
var ErrNotTable = errors.New("delta: no table here")

// ErrContention says that a commit lost the race for the next version so many
// times that giving up is kinder than going on. Nothing was committed.
var ErrContention = errors.New("delta: too many writers at once")

// UnsupportedError names something in a table that this package refuses: a
// protocol version, a table feature, a type. Reading past it would be wrong,
// not merely incomplete.
type UnsupportedError struct{ What string }

func (e *UnsupportedError) Error() string { return "delta: unsupported: " + e.What }

// TxnConflictError says that the application's transaction does not stand
// where the writer believed. Have is the version in the table; when it is at
// or past the one the writer wanted to commit, the work was done before.
type TxnConflictError struct {
	AppID      string
	Have, Want int64
}

func (e *TxnConflictError) Error() string {
	return fmt.Sprintf("delta: transaction %q stands at %d, not at %d", e.AppID, e.Have, e.Want)
}

// ConflictError says that another writer committed something that this commit
// cannot be put on top of: the same file removed, the schema or the protocol
// changed. Nothing was committed; plan again from a fresh snapshot.
type ConflictError struct{ Why string }

func (e *ConflictError) Error() string { return "delta: conflict: " + e.Why }

// CorruptError names the piece of a table that cannot be read.
type CorruptError struct {
	Key   string
	Cause error
}

func (e *CorruptError) Error() string { return fmt.Sprintf("delta: %s: %v", e.Key, e.Cause) }

// Unwrap is the cause.
func (e *CorruptError) Unwrap() error { return e.Cause }
