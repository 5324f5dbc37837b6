package store

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

const providerColumns = `p.name, p.base_url, p.key_hint, p.create_time, p.update_time`

// providerRow is a provider on its way out of a row.
type providerRow struct {
	p              domain.Provider
	create, update int64
}

func (r *providerRow) dest() []any {
	return []any{&r.p.Name, &r.p.BaseURL, &r.p.KeyHint, &r.create, &r.update}
}

func (r *providerRow) provider() domain.Provider {
	r.p.CreateTime, r.p.UpdateTime = sqlkit.Time(r.create), sqlkit.Time(r.update)
	return r.p
}

func scanProvider(row scanner) (domain.Provider, error) {
	var r providerRow
	err := row.Scan(r.dest()...)
	return r.provider(), err
}

// PutProvider implements Providers.
func (s *SQL) PutProvider(ctx context.Context, p domain.Provider, sealed domain.Sealed) (domain.Provider, error) {
	stored, err := scanProvider(s.db.QueryRowContext(ctx, `
		insert into providers as p (name, base_url, key_hint, sealed, create_time, update_time)
		values ($1, $2, $3, $4, $5, $6)
		on conflict (name) do update set
			base_url = excluded.base_url, update_time = excluded.update_time,
			key_hint = case when excluded.sealed is null then p.key_hint else excluded.key_hint end,
			sealed = case when excluded.sealed is null then p.sealed else excluded.sealed end
		returning name, base_url, key_hint, create_time, update_time`,
		p.Name, p.BaseURL, p.KeyHint, []byte(sealed), sqlkit.Micros(p.CreateTime), sqlkit.Micros(p.UpdateTime)))
	return stored, sqlkit.Fault("store.PutProvider", err)
}

// Provider implements Providers.
func (s *SQL) Provider(ctx context.Context, name string) (domain.Provider, domain.Sealed, error) {
	var (
		r      providerRow
		sealed []byte
	)
	err := s.db.QueryRowContext(ctx, `select `+providerColumns+`, p.sealed from providers p where p.name = $1`, name).Scan(append(r.dest(), &sealed)...)
	return r.provider(), sealed, missing("store.Provider", err, "provider", name)
}

// ListProviders implements Providers.
func (s *SQL) ListProviders(ctx context.Context, after string, limit int) ([]domain.Provider, error) {
	return list(ctx, s.db, "store.ListProviders", scanProvider,
		`select `+providerColumns+` from providers p where p.name > $1 order by p.name limit $2`, after, limit)
}

// DeleteProvider implements Providers.
func (s *SQL) DeleteProvider(ctx context.Context, name string) error {
	r, err := s.db.ExecContext(ctx, `delete from providers where name = $1`, name)
	return touched("store.DeleteProvider", r, err, "provider", name)
}
