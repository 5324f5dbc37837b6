package sqlstore

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// ByName is the endpoint of a name.
func (s *Store) ByName(ctx context.Context, name string) (*domain.Endpoint, error) {
	const op = "store.ByName"
	e, err := scanEndpoint(op, s.db.QueryRowContext(ctx, selectEndpoint+`where e.name = $1 and e.deleting = 0`, name))
	if err != nil {
		return nil, notFound(op, err, "endpoint %q not found", name)
	}
	return e, nil
}

// ByID is the endpoint of an id.
func (s *Store) ByID(ctx context.Context, id string) (*domain.Endpoint, error) {
	return byID(ctx, s.db, id)
}

func byID(ctx context.Context, q sqlkit.Querier, id string) (*domain.Endpoint, error) {
	const op = "store.ByID"
	e, err := scanEndpoint(op, q.QueryRowContext(ctx, selectEndpoint+`where e.id = $1`, id))
	if err != nil {
		return nil, notFound(op, err, "the endpoint is gone")
	}
	return e, nil
}

// List is a page of endpoints by name.
func (s *Store) List(ctx context.Context, after string, limit int) ([]*domain.Endpoint, error) {
	const op = "store.List"
	rows, err := s.db.QueryContext(ctx, selectEndpoint+`where e.name > $1 and e.deleting = 0 order by e.name limit $2`, after, limit)
	if err != nil {
		return nil, sqlkit.Fault(op, err)
	}
	defer rows.Close()
	var all []*domain.Endpoint
	for rows.Next() {
		e, err := scanEndpoint(op, rows)
		if err != nil {
			return nil, sqlkit.Fault(op, err)
		}
		all = append(all, e)
	}
	return all, sqlkit.Fault(op, rows.Err())
}

// Revisions is a page of an endpoint's revisions, newest first.
func (s *Store) Revisions(ctx context.Context, id string, before int64, limit int) ([]domain.Revision, error) {
	const op = "store.Revisions"
	rows, err := s.db.QueryContext(ctx, `select number, config, pins, states, lineage, creator, create_time
		from revision where endpoint_id = $1 and ($2 = 0 or number < $2) order by number desc limit $3`, id, before, limit)
	if err != nil {
		return nil, sqlkit.Fault(op, err)
	}
	defer rows.Close()
	var all []domain.Revision
	for rows.Next() {
		var r revisionRow
		if err := rows.Scan(r.targets()...); err != nil {
			return nil, sqlkit.Fault(op, err)
		}
		d, err := r.revision(op)
		if err != nil {
			return nil, err
		}
		all = append(all, *d)
	}
	return all, sqlkit.Fault(op, rows.Err())
}

// Template is a template by its digest.
func (s *Store) Template(ctx context.Context, digest string) (domain.Template, error) {
	const op = "store.Template"
	var body string
	if err := s.db.QueryRowContext(ctx, `select body from template where digest = $1`, digest).Scan(&body); err != nil {
		return domain.Template{}, notFound(op, err, "the prompt's template is gone")
	}
	var t domain.Template
	return t, decode(op, "template", body, &t)
}

// Unsettled are the ids of endpoints with work left, in the order of their creation.
func (s *Store) Unsettled(ctx context.Context) ([]string, error) {
	const op = "store.Unsettled"
	rows, err := s.db.QueryContext(ctx, `select id from endpoint where unsettled = 1 order by id`)
	if err != nil {
		return nil, sqlkit.Fault(op, err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, sqlkit.Fault(op, err)
		}
		ids = append(ids, id)
	}
	return ids, sqlkit.Fault(op, rows.Err())
}

// Instances are all instances by endpoint.
func (s *Store) Instances(ctx context.Context) (map[string][]domain.Instance, error) {
	const op = "store.Instances"
	rows, err := s.db.QueryContext(ctx, `select id, instances from endpoint`)
	if err != nil {
		return nil, sqlkit.Fault(op, err)
	}
	defer rows.Close()
	all := map[string][]domain.Instance{}
	for rows.Next() {
		var id, text string
		if err := rows.Scan(&id, &text); err != nil {
			return nil, sqlkit.Fault(op, err)
		}
		var found []instanceRow
		if err := decode(op, "instances", text, &found); err != nil {
			return nil, err
		}
		for _, r := range found {
			all[id] = append(all[id], r.instance())
		}
	}
	return all, sqlkit.Fault(op, rows.Err())
}

// Remove forgets an endpoint that is being deleted and stands on nothing any more.
func (s *Store) Remove(ctx context.Context, id string) error {
	const op = "store.Remove"
	return s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		if err := lock(ctx, tx, id); fault.Is(err, fault.NotFound) {
			return nil
		} else if err != nil {
			return err
		}
		e, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if !e.Deleting || len(e.Instances) > 0 {
			return fault.New(op, fault.FailedPrecondition, "endpoint %q is not ready to be removed", e.Name)
		}
		_, err = tx.ExecContext(ctx, `delete from endpoint where id = $1`, id)
		return sqlkit.Fault(op, err)
	})
}

// lock holds the endpoint's row until the transaction ends, so that changes of one endpoint queue instead of failing
// against each other.
func lock(ctx context.Context, tx sqlkit.Tx, id string) error {
	const op = "store.Change"
	var found string
	err := tx.QueryRowContext(ctx, `select id from endpoint where id = $1`+sqlkit.ForUpdate(tx.Dialect()), id).Scan(&found)
	return notFound(op, err, "the endpoint is gone")
}
