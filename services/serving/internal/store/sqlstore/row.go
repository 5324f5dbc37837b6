package sqlstore

import (
	"database/sql"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// selectEndpoint reads an endpoint with both living revisions in one row, and so from one moment.
const selectEndpoint = `select
	e.id, e.name, e.description, e.owner, e.tags, e.config_update, e.update_message, e.last_revision, e.instances,
	e.follow_wanted, e.follow_done, e.registered, e.deleting, e.create_time, e.update_time,
	a.number, a.config, a.pins, a.states, a.lineage, a.creator, a.create_time,
	p.number, p.config, p.pins, p.states, p.lineage, p.creator, p.create_time
from endpoint e
	left join revision a on a.endpoint_id = e.id and a.number = e.active_revision
	left join revision p on p.endpoint_id = e.id and p.number = e.pending_revision `

type scanner interface{ Scan(dest ...any) error }

// revisionRow is a revision that an outer join may not have found.
type revisionRow struct {
	number, lineage, created      sql.NullInt64
	config, pins, states, creator sql.NullString
}

func (r *revisionRow) targets() []any {
	return []any{&r.number, &r.config, &r.pins, &r.states, &r.lineage, &r.creator, &r.created}
}

func (r *revisionRow) revision(op string) (*domain.Revision, error) {
	if !r.number.Valid {
		return nil, nil
	}
	d := &domain.Revision{
		Number: r.number.Int64, Lineage: r.lineage.Int64 == 1, Creator: r.creator.String, CreateTime: sqlkit.Time(r.created.Int64),
	}
	if err := decode(op, "configuration", r.config.String, &d.Config); err != nil {
		return nil, err
	}
	if err := decode(op, "versions", r.pins.String, &d.Pins); err != nil {
		return nil, err
	}
	return d, decode(op, "states", r.states.String, &d.States)
}

// scanEndpoint reads a row of selectEndpoint.
func scanEndpoint(op string, row scanner) (*domain.Endpoint, error) {
	var (
		e                     domain.Endpoint
		tags, instances       string
		registered, deleting  int64
		created, updated      int64
		active, pending       revisionRow
		columns               = []any{&e.ID, &e.Name, &e.Description, &e.Owner, &tags, &e.Update, &e.UpdateMessage, &e.LastRevision, &instances, &e.FollowWanted, &e.FollowDone, &registered, &deleting, &created, &updated}
		instanceRows          []instanceRow
		activeErr, pendingErr error
	)
	columns = append(append(columns, active.targets()...), pending.targets()...)
	if err := row.Scan(columns...); err != nil {
		return nil, err
	}
	e.Registered, e.Deleting = registered == 1, deleting == 1
	e.CreateTime, e.UpdateTime = sqlkit.Time(created), sqlkit.Time(updated)
	if err := decode(op, "tags", tags, &e.Tags); err != nil {
		return nil, err
	}
	if err := decode(op, "instances", instances, &instanceRows); err != nil {
		return nil, err
	}
	for _, r := range instanceRows {
		e.Instances = append(e.Instances, r.instance())
	}
	if e.Active, activeErr = active.revision(op); activeErr != nil {
		return nil, activeErr
	}
	if e.Pending, pendingErr = pending.revision(op); pendingErr != nil {
		return nil, pendingErr
	}
	return &e, nil
}

// instanceRow is an instance as the JSON of its endpoint's row has it.
type instanceRow struct {
	ID              string               `json:"id"`
	Model           domain.ModelVersion  `json:"model"`
	ContextLength   int32                `json:"context_length,omitempty"`
	Parallel        int32                `json:"parallel,omitempty"`
	Runtime         string               `json:"runtime"`
	State           domain.InstanceState `json:"state"`
	Message         string               `json:"message,omitempty"`
	Probed          bool                 `json:"probed,omitempty"`
	RetiredRevision int64                `json:"retired_revision,omitempty"`
	Since           int64                `json:"since,omitempty"` // microseconds, as the next
	CreateTime      int64                `json:"create_time"`
}

func rowOf(i domain.Instance) instanceRow {
	return instanceRow{
		ID: i.ID, Model: i.Key.Model, ContextLength: i.Key.ContextLength, Parallel: i.Key.Parallel, Runtime: i.Runtime,
		State: i.State, Message: i.Message, Probed: i.Probed, RetiredRevision: i.RetiredRevision,
		Since: sqlkit.Micros(i.Since), CreateTime: sqlkit.Micros(i.CreateTime),
	}
}

func (r instanceRow) instance() domain.Instance {
	return domain.Instance{
		ID: r.ID, Key: domain.Key{Model: r.Model, ContextLength: r.ContextLength, Parallel: r.Parallel}, Runtime: r.Runtime,
		State: r.State, Message: r.Message, Probed: r.Probed, RetiredRevision: r.RetiredRevision,
		Since: sqlkit.Time(r.Since), CreateTime: sqlkit.Time(r.CreateTime),
	}
}
