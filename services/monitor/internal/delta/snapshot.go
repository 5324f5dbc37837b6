package delta

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
)

// Snapshot is the table at one version. It never changes; any number of
// goroutines may read it, and it stays readable until Vacuum deletes the files
// that later versions removed.
type Snapshot struct {
	version  int64
	protocol *Protocol
	meta     *Metadata
	schema   *Schema
	// files are the live files in the order of their keys, so that a partition
	// is one run and the newest date is last. A commit copies the slice of
	// pointers: 20 000 files are 160 KB, which is cheaper than any cleverness.
	files []*DataFile
	txns  map[string]Txn
	// tombs are removals, oldest first. Snapshots share the slice and only the
	// newest one appends to it, under the table's lock.
	tombs []tombstone
	bytes int64
}

// tombstone remembers a removed file until it may be deleted.
type tombstone struct {
	key        string
	at         int64 // ms
	dataChange bool
}

// DataFile is a live file of the table.
type DataFile struct {
	Add
	// Key is the path, decoded: where the file lies in the store.
	Key string
	// Since is a version at which the file was in the table, the earliest that
	// this process knows of: that of the commit that added it, or a later one when
	// the file was learnt of from a checkpoint or among many commits.
	Since int64

	once  sync.Once
	stats *Stats
}

// Stats are the file's statistics, or nil when its writer left none.
func (f *DataFile) Stats() *Stats {
	f.once.Do(func() { f.stats = parseStats(f.Add.Stats) })
	return f.stats
}

// Version is the number of the newest commit in the snapshot.
func (s *Snapshot) Version() int64 { return s.version }

// Schema is the table's columns, partition columns included.
func (s *Snapshot) Schema() *Schema { return s.schema }

// Metadata is the table's metadata; do not change it.
func (s *Snapshot) Metadata() *Metadata { return s.meta }

// Protocol is the table's protocol; do not change it.
func (s *Snapshot) Protocol() *Protocol { return s.protocol }

// NumFiles is the number of live files.
func (s *Snapshot) NumFiles() int { return len(s.files) }

// Bytes is the size of the live files.
func (s *Snapshot) Bytes() int64 { return s.bytes }

// Files yields the live files in the order of their keys.
func (s *Snapshot) Files() iter.Seq[*DataFile] { return slices.Values(s.files) }

// Txn is the transaction of an application; ok is false when it has none.
func (s *Snapshot) Txn(appID string) (Txn, bool) {
	t, ok := s.txns[appID]
	return t, ok
}

// Txns yields all application transactions, in no order.
func (s *Snapshot) Txns() iter.Seq[Txn] { return maps.Values(s.txns) }

// NumRecords is the number of rows by the files' statistics; exact is false
// when a file has none.
func (s *Snapshot) NumRecords() (rows int64, exact bool) {
	exact = true
	for _, f := range s.files {
		if st := f.Stats(); st != nil {
			rows += st.NumRecords
		} else {
			exact = false
		}
	}
	return rows, exact
}

// find is the position of a key in files, and whether it is there.
func (s *Snapshot) find(key string) (int, bool) {
	return slices.BinarySearchFunc(s.files, key, func(f *DataFile, k string) int {
		return strings.Compare(f.Key, k)
	})
}

// appendOnly reports the table property that forbids deletes.
func (s *Snapshot) appendOnly() bool { return s.meta.Configuration["delta.appendOnly"] == "true" }

// with is the snapshot after the given commits, which follow it without a gap.
func (s *Snapshot) with(version int64, actions []action) (*Snapshot, error) {
	b := builder{base: s, adds: map[string]*Add{}, removed: map[string]bool{}}
	for i := range actions {
		if err := b.apply(&actions[i]); err != nil {
			return nil, err
		}
	}
	return b.build(version)
}

// builder gathers the effect of many actions, so that a replay of a thousand
// commits merges once.
type builder struct {
	base     *Snapshot
	protocol *Protocol
	meta     *Metadata
	adds     map[string]*Add
	removed  map[string]bool
	txns     map[string]Txn
	tombs    []tombstone
}

func (b *builder) apply(a *action) error {
	switch {
	case a.Protocol != nil:
		b.protocol = a.Protocol
	case a.MetaData != nil:
		b.meta = a.MetaData
	case a.Txn != nil:
		if b.txns == nil {
			b.txns = map[string]Txn{}
		}
		b.txns[a.Txn.AppID] = *a.Txn
	case a.Add != nil:
		key, err := keyOf(a.Add.Path)
		if err != nil {
			return err
		}
		if len(a.Add.DeletionVector) > 0 && string(a.Add.DeletionVector) != "null" {
			return &UnsupportedError{What: "a deletion vector on " + a.Add.Path}
		}
		b.adds[key] = a.Add
		delete(b.removed, key)
	case a.Remove != nil:
		key, err := keyOf(a.Remove.Path)
		if err != nil {
			return err
		}
		delete(b.adds, key)
		b.removed[key] = true
		b.tombs = append(b.tombs, tombstone{key: key, at: a.Remove.DeletionTimestamp, dataChange: a.Remove.DataChange})
	}
	return nil
}

func (b *builder) build(version int64) (*Snapshot, error) {
	n := &Snapshot{version: version}
	if b.base != nil {
		*n = *b.base
		n.version = version
	}
	if b.protocol != nil {
		n.protocol = b.protocol
	}
	if b.meta != nil {
		n.meta = b.meta
		schema, err := ParseSchema(b.meta.SchemaString)
		if err != nil {
			return nil, err
		}
		n.schema = schema
	}
	if n.protocol == nil || n.meta == nil {
		return nil, &CorruptError{Key: commitKey(version), Cause: fmt.Errorf("no protocol or metadata up to here")}
	}
	if err := n.protocol.canRead(); err != nil {
		return nil, err
	}
	if len(b.txns) > 0 {
		n.txns = maps.Clone(n.txns)
		if n.txns == nil {
			n.txns = map[string]Txn{}
		}
		maps.Copy(n.txns, b.txns)
	}
	n.tombs = append(n.tombs, b.tombs...)
	b.merge(n)
	return n, nil
}

// merge makes the new list of files from the old one, which is sorted, and the
// changes, which are few.
func (b *builder) merge(n *Snapshot) {
	if len(b.adds) == 0 && len(b.removed) == 0 {
		return
	}
	added := make([]*DataFile, 0, len(b.adds))
	for key, a := range b.adds {
		added = append(added, &DataFile{Add: *a, Key: key, Since: n.version})
	}
	sort.Slice(added, func(i, j int) bool { return added[i].Key < added[j].Key })
	old := n.files
	out := make([]*DataFile, 0, len(old)+len(added))
	n.bytes = 0
	take := func(f *DataFile) {
		out = append(out, f)
		n.bytes += f.Size
	}
	for i, j := 0, 0; i < len(old) || j < len(added); {
		if j < len(added) && (i == len(old) || added[j].Key <= old[i].Key) {
			if i < len(old) && added[j].Key == old[i].Key {
				i++ // added again: the newer action holds
			}
			take(added[j])
			j++
			continue
		}
		if !b.removed[old[i].Key] {
			take(old[i])
		}
		i++
	}
	n.files = out
}
