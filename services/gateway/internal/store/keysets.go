package store

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// Keyset implements Keysets.
func (s *SQL) Keyset(ctx context.Context, name string) (domain.Keyset, error) {
	k := domain.Keyset{Name: name}
	var rotate int64
	err := s.db.QueryRowContext(ctx, `select revision, sealed, rotate_time from keysets where name = $1`, name).Scan(&k.Revision, &k.Sealed, &rotate)
	k.RotateTime = sqlkit.Time(rotate)
	return k, missing("store.Keyset", err, "keyset", name)
}

// PutKeyset implements Keysets. A first revision meets no row to replace and is inserted; every other replaces the one
// before it or nothing.
func (s *SQL) PutKeyset(ctx context.Context, k domain.Keyset) error {
	const op = "store.PutKeyset"
	query := `update keysets set revision = $2, sealed = $3, rotate_time = $4 where name = $1 and revision = $2 - 1`
	if k.Revision == 1 {
		query = `insert into keysets (name, revision, sealed, rotate_time) values ($1, $2, $3, $4) on conflict (name) do nothing`
	}
	r, err := s.db.ExecContext(ctx, query, k.Name, k.Revision, k.Sealed, sqlkit.Micros(k.RotateTime))
	if err = touched(op, r, err, "keyset", k.Name); fault.Is(err, fault.NotFound) {
		return fault.New(op, fault.Aborted, "the keyset %q was changed by another process", k.Name)
	}
	return err
}
