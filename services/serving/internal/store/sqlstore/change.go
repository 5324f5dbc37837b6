package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// Create writes a new endpoint with its first revision.
func (s *Store) Create(ctx context.Context, e *domain.Endpoint, templates ...domain.Template) (*domain.Endpoint, error) {
	const op = "store.Create"
	err := s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		var deleting int64
		err := tx.QueryRowContext(ctx, `select deleting from endpoint where name = $1`, e.Name).Scan(&deleting)
		switch {
		case err == nil && deleting == 1:
			return fault.New(op, fault.FailedPrecondition, "the endpoint %q that had this name is still being deleted; try again", e.Name).WithReason("ENDPOINT_DELETING")
		case err == nil:
			return taken(op, e.Name)
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		_, err = tx.ExecContext(ctx, `insert into endpoint (id, name, description, owner, tags, config_update, update_message, last_revision,
			active_revision, pending_revision, instances, follow_wanted, follow_done, registered, deleting, unsettled, create_time, update_time)
			values ($1, $2, $3, $4, $5, 'NOT_UPDATING', '', 0, 0, 0, '[]', 0, 0, 0, 0, 1, $6, $6)`,
			e.ID, e.Name, e.Description, e.Owner, encode(tagsOf(e)), sqlkit.Micros(e.CreateTime))
		if sqlkit.IsUnique(err) {
			return taken(op, e.Name)
		}
		if err != nil {
			return err
		}
		return save(ctx, tx, e, templates)
	})
	if err != nil {
		return nil, sqlkit.Fault(op, err)
	}
	return s.ByID(ctx, e.ID)
}

func taken(op, name string) error {
	return fault.New(op, fault.AlreadyExists, "there is an endpoint %q already", name)
}

// Change runs f on an endpoint and writes what it left.
func (s *Store) Change(ctx context.Context, id, holder string, f func(e *domain.Endpoint) (bool, error), templates ...domain.Template) (*domain.Endpoint, error) {
	const op = "store.Change"
	var e *domain.Endpoint
	err := s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) (err error) {
		if err := lock(ctx, tx, id); err != nil {
			return err
		}
		if err := holds(ctx, tx, id, holder); err != nil {
			return err
		}
		if e, err = byID(ctx, tx, id); err != nil {
			return err
		}
		changed, err := f(e)
		if err != nil || !changed {
			return err
		}
		if err := save(ctx, tx, e, templates); err != nil {
			return err
		}
		e, err = byID(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, sqlkit.Fault(op, err)
	}
	return e, nil
}

// holds is Aborted when the lease is not holder's. It does not ask for the time: a lease that ran out and that nobody has
// taken since still keeps two from acting at once.
func holds(ctx context.Context, tx sqlkit.Tx, id, holder string) error {
	if holder == "" {
		return nil
	}
	const op = "store.Change"
	var now string
	err := tx.QueryRowContext(ctx, `select holder from lease where endpoint_id = $1`, id).Scan(&now)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if now != holder {
		return fault.New(op, fault.Aborted, "another replica acts on the endpoint now").WithReason("LEASE_LOST")
	}
	return nil
}

// save writes the whole endpoint and its route.
func save(ctx context.Context, tx sqlkit.Tx, e *domain.Endpoint, templates []domain.Template) error {
	const op = "store.Change"
	if err := e.Check(); err != nil {
		return fault.Wrap(op, fault.Internal, err, "internal error")
	}
	for _, t := range templates {
		if _, err := tx.ExecContext(ctx, `insert into template (digest, body) values ($1, $2) on conflict (digest) do nothing`, t.Digest(), encode(t)); err != nil {
			return err
		}
	}
	for _, r := range e.Closed {
		if err := saveRevision(ctx, tx, e.ID, &r); err != nil {
			return err
		}
	}
	e.Closed = nil
	for _, r := range []*domain.Revision{e.Active, e.Pending} {
		if r != nil {
			if err := saveRevision(ctx, tx, e.ID, r); err != nil {
				return err
			}
		}
	}
	revision, err := saveRoute(ctx, tx, e)
	if err != nil {
		return err
	}
	instances := make([]instanceRow, len(e.Instances))
	for i := range e.Instances {
		if inst := &e.Instances[i]; inst.State == domain.Retired && inst.RetiredRevision == 0 {
			inst.RetiredRevision = revision
		}
		instances[i] = rowOf(e.Instances[i])
	}
	_, err = tx.ExecContext(ctx, `update endpoint set description = $2, owner = $3, tags = $4, config_update = $5, update_message = $6,
		last_revision = $7, active_revision = $8, pending_revision = $9, instances = $10, follow_wanted = $11, follow_done = $12,
		registered = $13, deleting = $14, unsettled = $15, update_time = $16 where id = $1`,
		e.ID, e.Description, e.Owner, encode(tagsOf(e)), e.Update, e.UpdateMessage,
		e.LastRevision, number(e.Active), number(e.Pending), encode(instances), e.FollowWanted, e.FollowDone,
		flag(e.Registered), flag(e.Deleting), flag(!e.Settled()), sqlkit.Micros(e.UpdateTime))
	return err
}

// saveRevision writes a revision that is new, and of one that is not only what may change.
func saveRevision(ctx context.Context, tx sqlkit.Tx, id string, r *domain.Revision) error {
	if _, err := tx.ExecContext(ctx, `insert into revision (endpoint_id, number, config, pins, states, lineage, creator, create_time)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (endpoint_id, number) do update set states = excluded.states, lineage = excluded.lineage`,
		id, r.Number, encode(r.Config), encode(r.Pins), encode(r.States), flag(r.Lineage), r.Creator, sqlkit.Micros(r.CreateTime)); err != nil {
		return err
	}
	for _, uri := range r.Following() {
		if _, err := tx.ExecContext(ctx, `insert into reference (endpoint_id, number, uri) values ($1, $2, $3) on conflict do nothing`, id, r.Number, uri); err != nil {
			return err
		}
	}
	return nil
}

func number(r *domain.Revision) int64 {
	if r == nil {
		return 0
	}
	return r.Number
}

func tagsOf(e *domain.Endpoint) map[string]string {
	if e.Tags == nil {
		return map[string]string{}
	}
	return e.Tags
}
