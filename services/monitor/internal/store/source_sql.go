package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
)

// NewSourceStore is the SourceStore on an open, migrated database.
func NewSourceStore(db *sqlkit.DB) SourceStore { return sources{db} }

type sources struct{ db *sqlkit.DB }

const noteDelivery = `
insert into ingest_source (source_id, epoch, acked_seq, table_version, row_count, duplicates, gaps, sanitised, first_seen, last_seen)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
on conflict (source_id, epoch) do update set
  acked_seq = case when excluded.acked_seq > ingest_source.acked_seq then excluded.acked_seq else ingest_source.acked_seq end,
  table_version = case when excluded.table_version > ingest_source.table_version then excluded.table_version else ingest_source.table_version end,
  row_count = ingest_source.row_count + excluded.row_count,
  duplicates = ingest_source.duplicates + excluded.duplicates,
  gaps = ingest_source.gaps + excluded.gaps,
  sanitised = ingest_source.sanitised + excluded.sanitised,
  last_seen = case when excluded.last_seen > ingest_source.last_seen then excluded.last_seen else ingest_source.last_seen end`

func (s sources) NoteDelivery(ctx context.Context, ds []Delivery) error {
	const op = "store.NoteDelivery"
	return sqlkit.Fault(op, s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		for _, d := range ds {
			_, err := tx.ExecContext(ctx, noteDelivery, d.SourceID, d.Epoch, d.AckedSeq, d.TableVersion, d.Rows, d.Duplicates, d.Gaps, d.Sanitised, sqlkit.Micros(d.At))
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

const selectSource = `
select source_id, epoch, acked_seq, table_version, row_count, duplicates, gaps, sanitised, first_seen, last_seen from ingest_source`

func (s sources) Source(ctx context.Context, sourceID string, epoch int64) (Source, error) {
	const op = "store.Source"
	row := s.db.QueryRowContext(ctx, selectSource+` where source_id = $1 and epoch = $2`, sourceID, epoch)
	src, err := scanSource(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return src, fault.New(op, fault.NotFound, "the log %s/%d has delivered nothing", sourceID, epoch)
	}
	return src, sqlkit.Fault(op, err)
}

func (s sources) ListSources(ctx context.Context) (_ []Source, err error) {
	const op = "store.ListSources"
	rows, err := s.db.QueryContext(ctx, selectSource+` order by source_id, epoch`)
	if err != nil {
		return nil, sqlkit.Fault(op, err)
	}
	defer rows.Close()
	var out []Source
	for rows.Next() {
		src, err := scanSource(rows.Scan)
		if err != nil {
			return nil, sqlkit.Fault(op, err)
		}
		out = append(out, src)
	}
	return out, sqlkit.Fault(op, rows.Err())
}

func scanSource(scan func(...any) error) (s Source, err error) {
	var first, last int64
	err = scan(&s.SourceID, &s.Epoch, &s.AckedSeq, &s.TableVersion, &s.Rows, &s.Duplicates, &s.Gaps, &s.Sanitised, &first, &last)
	s.FirstSeen, s.LastSeen = sqlkit.Time(first), sqlkit.Time(last)
	return s, err
}
