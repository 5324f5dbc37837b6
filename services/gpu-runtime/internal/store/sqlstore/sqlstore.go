// Package sqlstore keeps footprints in SQLite or PostgreSQL, with one SQL text for both.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/store"
)

// Store is a store.Store over an open database, which it closes.
type Store struct{ db *sqlkit.DB }

var _ store.Store = (*Store)(nil)

// New takes a migrated database.
func New(db *sqlkit.DB) *Store { return &Store{db: db} }

const columns = `sha256, engine, device, context_length, parallel, batch, embedding, model, predicted_bytes, observed_bytes, factor, samples, updated_us`

func scan(row interface{ Scan(...any) error }) (store.Footprint, error) {
	var f store.Footprint
	var updated int64
	err := row.Scan(&f.Key.SHA256, &f.Key.Engine, &f.Key.Device, &f.Key.Context, &f.Key.Parallel, &f.Key.Batch, &f.Key.Embedding,
		&f.Model, &f.Predicted, &f.Observed, &f.Factor, &f.Samples, &updated)
	f.Updated = sqlkit.Time(updated)
	return f, err
}

const find = `select ` + columns + ` from footprints
where sha256 = $1 and engine = $2 and device = $3
order by case when context_length = $4 and parallel = $5 and batch = $6 and embedding = $7 then 0 else 1 end,
    updated_us desc, context_length desc, parallel desc, batch desc, embedding desc
limit 1`

// Find returns the exact footprint or the latest of its kin.
func (s *Store) Find(ctx context.Context, k store.Key) (store.Footprint, error) {
	const op = "sqlstore.Find"
	f, err := scan(s.db.QueryRowContext(ctx, find, k.SHA256, k.Engine, k.Device, k.Context, k.Parallel, k.Batch, k.Embedding))
	if errors.Is(err, sql.ErrNoRows) {
		return store.Footprint{}, fault.New(op, fault.NotFound, "this model file has not been observed yet")
	}
	return f, sqlkit.Fault(op, err)
}

const exact = `select ` + columns + ` from footprints
where sha256 = $1 and engine = $2 and device = $3 and context_length = $4 and parallel = $5 and batch = $6 and embedding = $7`

const put = `insert into footprints (` + columns + `)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (sha256, engine, device, context_length, parallel, batch, embedding) do update set
    model = excluded.model, predicted_bytes = excluded.predicted_bytes, observed_bytes = excluded.observed_bytes,
    factor = excluded.factor, samples = excluded.samples, updated_us = excluded.updated_us`

// Update replaces a footprint by what fn makes of it.
func (s *Store) Update(ctx context.Context, k store.Key, fn func(store.Footprint) store.Footprint) (store.Footprint, error) {
	var f store.Footprint
	err := s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		old, err := scan(tx.QueryRowContext(ctx, exact+sqlkit.ForUpdate(tx.Dialect()), k.SHA256, k.Engine, k.Device, k.Context, k.Parallel, k.Batch, k.Embedding))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err != nil {
			old = store.Footprint{Key: k}
		}
		f = fn(old)
		f.Key = k
		_, err = tx.ExecContext(ctx, put, k.SHA256, k.Engine, k.Device, k.Context, k.Parallel, k.Batch, k.Embedding,
			f.Model, f.Predicted, f.Observed, f.Factor, f.Samples, sqlkit.Micros(f.Updated))
		return err
	})
	if err != nil {
		return store.Footprint{}, sqlkit.Fault("sqlstore.Update", err)
	}
	f.Updated = sqlkit.Time(sqlkit.Micros(f.Updated))
	return f, nil
}

const list = `select ` + columns + ` from footprints order by sha256, updated_us desc, engine, device, context_length, parallel, batch, embedding`

// List returns all footprints.
func (s *Store) List(ctx context.Context) ([]store.Footprint, error) {
	const op = "sqlstore.List"
	rows, err := s.db.QueryContext(ctx, list)
	if err != nil {
		return nil, sqlkit.Fault(op, err)
	}
	defer rows.Close()
	var all []store.Footprint
	for rows.Next() {
		f, err := scan(rows)
		if err != nil {
			return nil, sqlkit.Fault(op, err)
		}
		all = append(all, f)
	}
	return all, sqlkit.Fault(op, rows.Err())
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }
