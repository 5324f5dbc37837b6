//go:build !unix

package sqlkit

import "context"

// lockFile does nothing here: without advisory locks, processes that share a SQLite file must not start at the same time.
func lockFile(context.Context, string) (unlock func(), err error) { return func() {}, nil }
