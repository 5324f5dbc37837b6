// Package store is the contract of the monitor's small memory: what its people
// configured, what its monitors computed, and what its callers delivered. The
// inference table is not here; it is a Delta table, and everything in this store
// about the table can be told from the table.
//
// One implementation serves SQLite and PostgreSQL, and one suite proves it on
// both. Names compare by their bytes in UTF-8. Times are kept in microseconds,
// finer digits are cut. The empty text is a value. Errors are faults: a row that
// is not there is NotFound, a database that does not answer Unavailable.
package store

import (
	"context"
	"embed"
	"io/fs"
	"time"
)

// Migrations holds the folders sqlite/ and postgres/ for sqlkit.Open.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}

//go:embed migrations
var migrations embed.FS

// SourceStore keeps what each request log delivered.
//
// It is the second witness of the promise that an acknowledged record is never
// lost. The table itself says how far each log is stored; this store says, in
// other files and on purpose not in the same commit, how far each log was
// acknowledged. A table that knows less than this store has lost rows, by a
// restored backup or a deleted file, and only the difference can tell.
type SourceStore interface {
	// NoteDelivery adds to what is known of some logs, after the commit that made
	// their rows durable. AckedSeq never goes down; the counters add up. A log that
	// is not known yet begins at d.At.
	NoteDelivery(ctx context.Context, ds []Delivery) error
	// Source reads one log's record; NotFound when it never delivered.
	Source(ctx context.Context, sourceID string, epoch int64) (Source, error)
	// ListSources lists all logs by source id, then epoch.
	ListSources(ctx context.Context) ([]Source, error)
}

// Delivery is what happened with one log since the last note.
type Delivery struct {
	SourceID     string
	Epoch        int64
	AckedSeq     int64 // durable up to here
	TableVersion int64 // of the commit that made it so
	Rows         int64 // committed
	Duplicates   int64 // sent again and dropped
	Gaps         int64 // refused because records were missing before them
	Sanitised    int64 // stored with an error code of ours
	At           time.Time
}

// Source is a log as this store knows it.
type Source struct {
	SourceID     string
	Epoch        int64
	AckedSeq     int64
	TableVersion int64
	Rows         int64
	Duplicates   int64
	Gaps         int64
	Sanitised    int64
	FirstSeen    time.Time
	LastSeen     time.Time
}
