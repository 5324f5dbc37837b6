package store

import (
	"context"
	"encoding/json"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

const principalColumns = `p.name, p.kind, p.groups, p.disabled, p.requests_per_minute, p.create_time, p.update_time`

// principalRow is a principal on its way out of a row.
type principalRow struct {
	p                    domain.Principal
	groups               []byte
	disabled             int
	createTime, saveTime int64
}

func (r *principalRow) dest() []any {
	return []any{&r.p.Name, &r.p.Kind, &r.groups, &r.disabled, &r.p.RequestsPerMinute, &r.createTime, &r.saveTime}
}

func (r *principalRow) principal() (domain.Principal, error) {
	r.p.Disabled = r.disabled != 0
	r.p.CreateTime, r.p.UpdateTime = sqlkit.Time(r.createTime), sqlkit.Time(r.saveTime)
	return r.p, json.Unmarshal(r.groups, &r.p.Groups)
}

func scanPrincipal(row scanner) (domain.Principal, error) {
	var r principalRow
	if err := row.Scan(r.dest()...); err != nil {
		return domain.Principal{}, err
	}
	return r.principal()
}

func principalValues(p domain.Principal) []any {
	return []any{p.Name, p.Kind, text(p.Groups), bit(p.Disabled), p.RequestsPerMinute, sqlkit.Micros(p.CreateTime), sqlkit.Micros(p.UpdateTime)}
}

// PutPrincipal implements Principals.
func (s *SQL) PutPrincipal(ctx context.Context, p domain.Principal) (domain.Principal, error) {
	const op = "store.PutPrincipal"
	stored, err := scanPrincipal(s.db.QueryRowContext(ctx, `
		insert into principals as p (name, kind, groups, disabled, requests_per_minute, create_time, update_time)
		values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (name) do update set
			kind = excluded.kind, groups = excluded.groups, disabled = excluded.disabled,
			requests_per_minute = excluded.requests_per_minute, update_time = excluded.update_time
		returning name, kind, groups, disabled, requests_per_minute, create_time, update_time`,
		principalValues(p)...))
	return stored, sqlkit.Fault(op, err)
}

// EnsurePrincipal implements Principals.
func (s *SQL) EnsurePrincipal(ctx context.Context, p domain.Principal) (bool, error) {
	const op = "store.EnsurePrincipal"
	r, err := s.db.ExecContext(ctx, `
		insert into principals (name, kind, groups, disabled, requests_per_minute, create_time, update_time)
		values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (name) do nothing`, principalValues(p)...)
	if err != nil {
		return false, sqlkit.Fault(op, err)
	}
	n, err := r.RowsAffected()
	return n == 1, sqlkit.Fault(op, err)
}

// Principal implements Principals.
func (s *SQL) Principal(ctx context.Context, name string) (domain.Principal, error) {
	p, err := scanPrincipal(s.db.QueryRowContext(ctx, `select `+principalColumns+` from principals p where p.name = $1`, name))
	return p, missing("store.Principal", err, "principal", name)
}

// ListPrincipals implements Principals.
func (s *SQL) ListPrincipals(ctx context.Context, after string, limit int) ([]domain.Principal, error) {
	return list(ctx, s.db, "store.ListPrincipals", scanPrincipal,
		`select `+principalColumns+` from principals p where p.name > $1 order by p.name limit $2`, after, limit)
}
