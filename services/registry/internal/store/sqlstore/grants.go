package sqlstore

import (
	"context"
	"slices"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

const selectGrant = `select g.securable_id, s.type, s.full_name, g.principal, g.privilege, g.grantor, g.create_time from grants g join securable s on s.id = g.securable_id `

func scanGrant(scan func(...any) error) (g domain.Grant, err error) {
	var created int64
	err = scan(&g.SecurableID, &g.Securable.Type, &g.Securable.FullName, &g.Principal, &g.Privilege, &g.Grantor, &created)
	g.CreateTime = sqlkit.Time(created)
	return g, err
}

// Held implements store.Access.
func (r reader) Held(ctx context.Context, principals, securableIDs []string) ([]domain.Grant, error) {
	return r.grants(ctx, "registry.store.Held", principals, securableIDs)
}

// Grants implements store.Access.
func (r reader) Grants(ctx context.Context, securableIDs []string) ([]domain.Grant, error) {
	return r.grants(ctx, "registry.store.Grants", nil, securableIDs)
}

func (r reader) grants(ctx context.Context, op string, principals, securableIDs []string) ([]domain.Grant, error) {
	var all []domain.Grant
	for some := range slices.Chunk(securableIDs, maxList) {
		var args arguments
		query := selectGrant + `where g.securable_id in ` + args.list(some)
		if principals != nil {
			query += ` and g.principal in ` + args.list(principals)
		}
		grants, err := collect(ctx, r.q, op, query+` order by g.principal, g.privilege, g.securable_id`, args, scanGrant)
		if err != nil {
			return nil, err
		}
		all = append(all, grants...)
	}
	return all, nil
}

// AddGrant implements store.AccessChanges.
func (t *transaction) AddGrant(ctx context.Context, g domain.Grant) (bool, error) {
	n, err := exec(ctx, t.q, "registry.store.AddGrant", `insert into grants (securable_id, principal, privilege, grantor, create_time) values ($1, $2, $3, $4, $5)
		on conflict (securable_id, principal, privilege) do nothing`,
		g.SecurableID, g.Principal, string(g.Privilege), g.Grantor, sqlkit.Micros(g.CreateTime))
	return n > 0, err
}

// RemoveGrant implements store.AccessChanges.
func (t *transaction) RemoveGrant(ctx context.Context, securableID, principal string, p domain.Privilege) (bool, error) {
	n, err := exec(ctx, t.q, "registry.store.RemoveGrant", `delete from grants where securable_id = $1 and principal = $2 and privilege = $3`,
		securableID, principal, string(p))
	return n > 0, err
}
