package delta

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// A V1 checkpoint is a Parquet file with one action in each row: the state of
// the table without its history, so that opening a table of a million commits
// reads one file and the few commits after it.

type checkpointRow struct {
	Txn      *checkpointTxn      `parquet:"txn,optional"`
	Add      *checkpointAdd      `parquet:"add,optional"`
	Remove   *checkpointRemove   `parquet:"remove,optional"`
	MetaData *checkpointMetadata `parquet:"metaData,optional"`
	Protocol *checkpointProtocol `parquet:"protocol,optional"`
}

type checkpointTxn struct {
	AppID       *string `parquet:"appId,optional"`
	Version     *int64  `parquet:"version,optional"`
	LastUpdated *int64  `parquet:"lastUpdated,optional"`
}

type checkpointAdd struct {
	Path             *string            `parquet:"path,optional"`
	PartitionValues  map[string]*string `parquet:"partitionValues,optional"`
	Size             *int64             `parquet:"size,optional"`
	ModificationTime *int64             `parquet:"modificationTime,optional"`
	DataChange       *bool              `parquet:"dataChange,optional"`
	Stats            *string            `parquet:"stats,optional"`
	Tags             map[string]*string `parquet:"tags,optional"`
}

type checkpointRemove struct {
	Path              *string `parquet:"path,optional"`
	DeletionTimestamp *int64  `parquet:"deletionTimestamp,optional"`
	DataChange        *bool   `parquet:"dataChange,optional"`
}

type checkpointFormat struct {
	Provider *string            `parquet:"provider,optional"`
	Options  map[string]*string `parquet:"options,optional"`
}

type checkpointMetadata struct {
	ID               *string            `parquet:"id,optional"`
	Name             *string            `parquet:"name,optional"`
	Description      *string            `parquet:"description,optional"`
	Format           *checkpointFormat  `parquet:"format,optional"`
	SchemaString     *string            `parquet:"schemaString,optional"`
	PartitionColumns []string           `parquet:"partitionColumns,optional,list"`
	Configuration    map[string]*string `parquet:"configuration,optional"`
	CreatedTime      *int64             `parquet:"createdTime,optional"`
}

type checkpointProtocol struct {
	MinReaderVersion *int32   `parquet:"minReaderVersion,optional"`
	MinWriterVersion *int32   `parquet:"minWriterVersion,optional"`
	ReaderFeatures   []string `parquet:"readerFeatures,optional,list"`
	WriterFeatures   []string `parquet:"writerFeatures,optional,list"`
}

func ptr[T any](v T) *T { return &v }

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// text drops an empty string, which the log writes as an absent field.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func texts(m map[string]string) map[string]*string {
	out := make(map[string]*string, len(m))
	for k, v := range m {
		out[k] = &v
	}
	return out
}

func plain(m map[string]*string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = orZero(v)
	}
	return out
}

// tags keeps "none" apart from "empty", as the log does.
func tags(m map[string]*string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return plain(m)
}

// encodeCheckpoint writes the state; tombs are the removals still worth keeping.
func encodeCheckpoint(w io.Writer, s *Snapshot, tombs []tombstone) (rows int64, err error) {
	// A checkpoint is one row group of small rows; a foreign reader projects
	// "add" out of it, so columns compress well with the fastest codec there is.
	pw := parquet.NewGenericWriter[checkpointRow](w, parquet.Compression(&parquet.Snappy), parquet.CreatedBy("slipway-delta", "1", ""))
	buf := make([]checkpointRow, 0, 512)
	flush := func() error {
		n, err := pw.Write(buf)
		rows += int64(n)
		buf = buf[:0]
		return err
	}
	put := func(r checkpointRow) error {
		buf = append(buf, r)
		if len(buf) == cap(buf) {
			return flush()
		}
		return nil
	}
	p, m := s.protocol, s.meta
	err = put(checkpointRow{Protocol: &checkpointProtocol{
		MinReaderVersion: ptr(int32(p.MinReaderVersion)), MinWriterVersion: ptr(int32(p.MinWriterVersion)),
		ReaderFeatures: p.ReaderFeatures, WriterFeatures: p.WriterFeatures,
	}})
	if err != nil {
		return rows, err
	}
	err = put(checkpointRow{MetaData: &checkpointMetadata{
		ID: &m.ID, Name: text(m.Name), Description: text(m.Description),
		Format:       &checkpointFormat{Provider: ptr(m.Format.Provider), Options: texts(m.Format.Options)},
		SchemaString: &m.SchemaString, PartitionColumns: m.PartitionColumns,
		Configuration: texts(m.Configuration), CreatedTime: ptr(m.CreatedTime),
	}})
	if err != nil {
		return rows, err
	}
	for _, t := range s.txns {
		r := checkpointTxn{AppID: &t.AppID, Version: &t.Version}
		if t.LastUpdated != 0 {
			r.LastUpdated = &t.LastUpdated
		}
		if err := put(checkpointRow{Txn: &r}); err != nil {
			return rows, err
		}
	}
	for _, f := range s.files {
		a := checkpointAdd{
			Path: &f.Path, PartitionValues: f.PartitionValues, Size: &f.Size,
			ModificationTime: &f.ModificationTime, DataChange: ptr(false), Stats: text(f.Add.Stats),
		}
		if a.PartitionValues == nil {
			a.PartitionValues = map[string]*string{}
		}
		if len(f.Tags) > 0 {
			a.Tags = texts(f.Tags)
		}
		if err := put(checkpointRow{Add: &a}); err != nil {
			return rows, err
		}
	}
	for _, t := range tombs {
		r := checkpointRemove{Path: ptr(pathOf(t.key)), DeletionTimestamp: &t.at, DataChange: &t.dataChange}
		if err := put(checkpointRow{Remove: &r}); err != nil {
			return rows, err
		}
	}
	if err := flush(); err != nil {
		return rows, err
	}
	return rows, pw.Close()
}

// readCheckpoint replays one checkpoint into a snapshot.
func readCheckpoint(ctx context.Context, store Store, h *checkpointHint) (*Snapshot, error) {
	b := builder{adds: map[string]*Add{}, removed: map[string]bool{}}
	for _, key := range h.keys() {
		data, err := store.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if err := decodeCheckpoint(data, &b); err != nil {
			var u *UnsupportedError
			if errors.As(err, &u) {
				return nil, err
			}
			return nil, &CorruptError{Key: key, Cause: err}
		}
	}
	// In a checkpoint removals are memory, not changes: nothing is there to
	// take them from.
	slices.SortFunc(b.tombs, func(x, y tombstone) int { return cmp.Compare(x.at, y.at) })
	return b.build(h.Version)
}

func decodeCheckpoint(data []byte, b *builder) (err error) {
	defer func() {
		// The Parquet library panics on some damaged files.
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged: %v", p)
		}
	}()
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	r := parquet.NewGenericReader[checkpointRow](file)
	defer func() { _ = r.Close() }()
	for {
		// Fresh rows for each read: what is read keeps pointing into them.
		rows := make([]checkpointRow, 256)
		n, err := r.Read(rows)
		for i := range rows[:n] {
			if e := b.apply(rows[i].action()); e != nil {
				return e
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *checkpointRow) action() *action {
	switch {
	case r.Add != nil && r.Add.Path != nil:
		a := r.Add
		return &action{Add: &Add{
			Path: *a.Path, PartitionValues: a.PartitionValues, Size: orZero(a.Size),
			ModificationTime: orZero(a.ModificationTime), Stats: orZero(a.Stats), Tags: tags(a.Tags),
		}}
	case r.Remove != nil && r.Remove.Path != nil:
		return &action{Remove: &Remove{Path: *r.Remove.Path, DeletionTimestamp: orZero(r.Remove.DeletionTimestamp), DataChange: orZero(r.Remove.DataChange)}}
	case r.Txn != nil && r.Txn.AppID != nil:
		return &action{Txn: &Txn{AppID: *r.Txn.AppID, Version: orZero(r.Txn.Version), LastUpdated: orZero(r.Txn.LastUpdated)}}
	case r.MetaData != nil && r.MetaData.ID != nil:
		m := r.MetaData
		f := Format{Provider: "parquet", Options: map[string]string{}}
		if m.Format != nil {
			f = Format{Provider: orZero(m.Format.Provider), Options: plain(m.Format.Options)}
		}
		return &action{MetaData: &Metadata{
			ID: *m.ID, Name: orZero(m.Name), Description: orZero(m.Description), Format: f,
			SchemaString: orZero(m.SchemaString), PartitionColumns: m.PartitionColumns,
			Configuration: plain(m.Configuration), CreatedTime: orZero(m.CreatedTime),
		}}
	case r.Protocol != nil && r.Protocol.MinReaderVersion != nil:
		p := r.Protocol
		return &action{Protocol: &Protocol{
			MinReaderVersion: int(*p.MinReaderVersion), MinWriterVersion: int(orZero(p.MinWriterVersion)),
			ReaderFeatures: p.ReaderFeatures, WriterFeatures: p.WriterFeatures,
		}}
	}
	return &action{}
}

// writeCheckpoint stores the state of s and points _last_checkpoint at it.
func writeCheckpoint(ctx context.Context, store Store, s *Snapshot, keep func(tombstone) bool) error {
	tombs := make([]tombstone, 0, len(s.tombs))
	for _, t := range s.tombs {
		if keep(t) {
			tombs = append(tombs, t)
		}
	}
	var buf bytes.Buffer
	rows, err := encodeCheckpoint(&buf, s, tombs)
	if err != nil {
		return err
	}
	if err := store.Put(ctx, checkpointKey(s.version), buf.Bytes()); err != nil {
		return err
	}
	hint, err := json.Marshal(checkpointHint{Version: s.version, Size: rows, SizeInBytes: int64(buf.Len()), NumAddFiles: int64(len(s.files))})
	if err != nil {
		return err
	}
	// Two writers may race here and the older may win; the hint is only a hint,
	// a reader that follows it replays a few commits more.
	return store.Put(ctx, lastCheckpoint, hint)
}
