package delta

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// Change is what a commit does to the table.
type Change struct {
	// Operation is the history's verb, such as "WRITE" or "OPTIMIZE".
	Operation  string
	Parameters map[string]string
	Adds       []Add
	// Removes are keys of live files. DataChange false says that the adds hold
	// the very rows of the removes.
	Removes    []string
	DataChange bool
	Txns       []TxnStep
	metadata   *Metadata
	metrics    map[string]string
}

// TxnStep moves an application's transaction from one version to the next. It
// is the table's answer to "did my last attempt get through?": the commit fails
// with a TxnConflictError unless the transaction stands at From, where 0 also
// means that there is none.
type TxnStep struct {
	AppID    string
	From, To int64
}

// maxAttempts bounds the race for a version. With n writers of equal speed the
// expected number of attempts is about n.
const maxAttempts = 200

// Commit makes the change, all of it or nothing, on top of whatever others have
// committed, and returns the new snapshot.
//
// It returns a TxnConflictError or a ConflictError when what others committed
// contradicts the change; then nothing happened. After any other error the
// change may have happened when the store could not say (a lost answer of an
// object store); with a TxnStep in the change, repeating it is safe and tells.
func (t *Table) Commit(ctx context.Context, c Change) (*Snapshot, error) {
	t.commitMu.Lock()
	s, err := t.commit(ctx, &c)
	t.commitMu.Unlock()
	if err != nil {
		return nil, err
	}
	if t.checkpointDue(s) {
		if err := t.Checkpoint(ctx); err != nil {
			t.o.Warn("checkpoint", err)
		}
	}
	return s, nil
}

func (t *Table) commit(ctx context.Context, c *Change) (*Snapshot, error) {
	id := t.o.NewID()
	base := t.Snapshot()
	for attempt := range maxAttempts {
		if attempt > 2 {
			if err := pause(ctx, attempt); err != nil {
				return nil, err
			}
		}
		s := t.Snapshot()
		if err := c.check(base, s); err != nil {
			return nil, err
		}
		data, err := t.encode(c, id)
		if err != nil {
			return nil, err
		}
		v := s.version + 1
		err = t.store.PutIfAbsent(ctx, commitKey(v), data)
		if err != nil {
			// Somebody was faster, or the store failed and we do not know what it
			// did, or a retry inside the store's client met its own first try.
			// All three are settled by reading what is there.
			mine, readErr := t.isMine(ctx, v, id)
			switch {
			case readErr != nil:
				return nil, errors.Join(err, readErr)
			case !mine && !errors.Is(err, fs.ErrExist):
				return nil, err
			case !mine:
				if _, err := t.Refresh(ctx); err != nil {
					return nil, err
				}
				continue
			}
			if c, ok := t.store.(confirmer); ok {
				if err := c.confirm(commitKey(v)); err != nil {
					return nil, err
				}
			}
		}
		return t.Refresh(ctx)
	}
	return nil, ErrContention
}

// confirmer is a store on which an object can be visible and not yet durable.
type confirmer interface{ confirm(key string) error }

// check compares the change with the snapshot it would be put on.
func (c *Change) check(base, s *Snapshot) error {
	if err := s.protocol.canWrite(); err != nil {
		return err
	}
	if err := canWriteSchema(s.schema); err != nil {
		return err
	}
	if s.meta != base.meta && (c.metadata != nil || s.meta.SchemaString != base.meta.SchemaString) {
		return &ConflictError{Why: "the table's metadata changed"}
	}
	for _, x := range c.Txns {
		have, ok := s.txns[x.AppID]
		if !ok {
			have.Version = 0
		}
		if have.Version != x.From {
			return &TxnConflictError{AppID: x.AppID, Have: have.Version, Want: x.From}
		}
	}
	if len(c.Removes) > 0 && c.DataChange && s.appendOnly() {
		return &ConflictError{Why: "the table is append-only"}
	}
	for _, key := range c.Removes {
		if _, ok := s.find(key); !ok {
			return &ConflictError{Why: "the file " + key + " is no longer there"}
		}
	}
	return nil
}

func (t *Table) encode(c *Change, id string) ([]byte, error) {
	now := t.o.Now().UnixMilli()
	blind := len(c.Removes) == 0 && c.metadata == nil
	as := []action{{CommitInfo: t.commitInfo(c.Operation, c.Parameters, c.commitMetrics(), blind, id)}}
	if c.metadata != nil {
		as = append(as, action{MetaData: c.metadata})
	}
	for _, x := range c.Txns {
		as = append(as, action{Txn: &Txn{AppID: x.AppID, Version: x.To, LastUpdated: now}})
	}
	for _, key := range c.Removes {
		as = append(as, action{Remove: &Remove{Path: pathOf(key), DeletionTimestamp: now, DataChange: c.DataChange}})
	}
	for i := range c.Adds {
		a := c.Adds[i]
		a.DataChange = c.DataChange
		as = append(as, action{Add: &a})
	}
	return marshalActions(as)
}

func (c *Change) commitMetrics() map[string]string {
	if c.metrics != nil {
		return c.metrics
	}
	if len(c.Adds) == 0 {
		return nil
	}
	var rows, bytes int64
	for _, a := range c.Adds {
		bytes += a.Size
		if st := parseStats(a.Stats); st != nil {
			rows += st.NumRecords
		}
	}
	return map[string]string{
		"numFiles": strconv.Itoa(len(c.Adds)), "numOutputRows": strconv.FormatInt(rows, 10),
		"numOutputBytes": strconv.FormatInt(bytes, 10),
	}
}

func (t *Table) commitInfo(op string, params, metrics map[string]string, blind bool, id string) *CommitInfo {
	if params == nil {
		params = map[string]string{}
	}
	return &CommitInfo{
		Timestamp: t.o.Now().UnixMilli(), Operation: op, OperationParameters: params,
		IsBlindAppend: &blind, OperationMetrics: metrics, EngineInfo: t.o.Engine, TxnID: id,
	}
}

// isMine reports whether version v exists and carries our commit id.
func (t *Table) isMine(ctx context.Context, v int64, id string) (bool, error) {
	data, err := t.store.Get(ctx, commitKey(v))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	as, err := parseActions(commitKey(v), data)
	if err != nil {
		return false, err
	}
	for _, a := range as {
		if a.CommitInfo != nil && a.CommitInfo.TxnID == id {
			return true, nil
		}
	}
	return false, nil
}

// pause waits a little, at random, so that writers who met do not meet again.
func pause(ctx context.Context, attempt int) error {
	limit := min(time.Millisecond<<min(attempt-2, 6), 50*time.Millisecond)
	timer := time.NewTimer(mathrand.N(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// conform commits what the spec has beyond the table: its columns, as nullable,
// since files without them read as null, and its properties. Types of existing
// columns must agree. Columns and properties that only the table has stay.
func (t *Table) conform(ctx context.Context, spec Spec) error {
	for {
		s := t.Snapshot()
		meta, err := spec.merge(s)
		if meta == nil || err != nil {
			return err
		}
		_, err = t.Commit(ctx, Change{Operation: "SET TBLPROPERTIES", metadata: meta, DataChange: true})
		var conflict *ConflictError
		if errors.As(err, &conflict) {
			continue // somebody changed the metadata; perhaps to what we want
		}
		return err
	}
}

// merge is the metadata with what the spec adds; nil when it adds nothing.
func (spec Spec) merge(s *Snapshot) (*Metadata, error) {
	merged := &Schema{Fields: slices.Clone(s.schema.Fields)}
	for _, f := range spec.Schema.Fields {
		i := merged.Index(f.Name)
		if i < 0 {
			f.Nullable = true
			merged.Fields = append(merged.Fields, f)
			continue
		}
		if have := merged.Fields[i].Type; have.String() != f.Type.String() {
			return nil, fmt.Errorf("delta: column %q is %s in the table and %s here", f.Name, have, f.Type)
		}
	}
	meta := *s.meta
	meta.Configuration = maps.Clone(s.meta.Configuration)
	same := len(merged.Fields) == len(s.schema.Fields)
	for k, v := range spec.Properties {
		if meta.Configuration[k] != v {
			meta.Configuration[k], same = v, false
		}
	}
	if same {
		return nil, nil
	}
	var err error
	meta.SchemaString, err = merged.MarshalString()
	return &meta, err
}

// randomID is a version 4 UUID.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its contract
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// History is one commit as its writer described it.
type History struct {
	Version int64
	Info    CommitInfo
}

// Commits reads the newest n commits, newest first. Commits that were cleaned
// away end the list.
func (t *Table) Commits(ctx context.Context, n int) ([]History, error) {
	s := t.Snapshot()
	var out []History
	for v := s.version; v >= 0 && len(out) < n; v-- {
		data, err := t.store.Get(ctx, commitKey(v))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return out, err
		}
		as, err := parseActions(commitKey(v), data)
		if err != nil {
			return out, err
		}
		h := History{Version: v}
		for _, a := range as {
			if a.CommitInfo != nil {
				h.Info = *a.CommitInfo
			}
		}
		out = append(out, h)
	}
	return out, nil
}
