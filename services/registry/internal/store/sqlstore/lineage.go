package sqlstore

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

const (
	selectEdge = `select upstream, downstream, relation, creator, create_time from edge `
	edgeOrder  = ` order by create_time, upstream, downstream, relation limit `
)

func scanEdge(scan func(...any) error) (e domain.Edge, err error) {
	var created int64
	err = scan(&e.Upstream, &e.Downstream, &e.Relation, &e.Creator, &created)
	e.CreateTime = sqlkit.Time(created)
	return e, err
}

// Edges implements store.Lineage. The lists of one walk are bounded by the walk, so they are not cut here.
func (r reader) Edges(ctx context.Context, entities []string, limit int) ([]domain.Edge, error) {
	if len(entities) == 0 {
		return nil, nil
	}
	var args arguments
	in := args.list(entities)
	return collect(ctx, r.q, "registry.store.Edges", selectEdge+`where upstream in `+in+` or downstream in `+in+edgeOrder+args.add(limit), args, scanEdge)
}

// EdgesFrom implements store.Lineage.
func (r reader) EdgesFrom(ctx context.Context, line domain.Ref, relation domain.Relation, limit int) ([]domain.Edge, error) {
	from, to := versionRange(line)
	return collect(ctx, r.q, "registry.store.EdgesFrom", selectEdge+`where upstream > $1 and upstream < $2 and relation = $3`+edgeOrder+`$4`,
		[]any{from, to, string(relation), limit}, scanEdge)
}

// versionRange is between what the references to all versions of a line lie: they begin with the line's own and a slash,
// and '0' is the character behind the slash. A range needs no escaping, as `like` would for every _ in a name.
func versionRange(line domain.Ref) (from, to string) {
	prefix := string(line.Type) + "s:/" + line.FullName
	return prefix + "/", prefix + "0"
}

// AddEdge implements store.LineageChanges.
func (t *transaction) AddEdge(ctx context.Context, e domain.Edge) error {
	_, err := exec(ctx, t.q, "registry.store.AddEdge", `insert into edge (upstream, downstream, relation, creator, create_time) values ($1, $2, $3, $4, $5)
		on conflict (upstream, downstream, relation) do nothing`, e.Upstream, e.Downstream, string(e.Relation), e.Creator, sqlkit.Micros(e.CreateTime))
	return err
}

// DeleteEdges implements store.LineageChanges.
func (t *transaction) DeleteEdges(ctx context.Context, r domain.Ref) error {
	const op = "registry.store.DeleteEdges"
	if r.Type == domain.TypeEndpoint {
		_, err := exec(ctx, t.q, op, `delete from edge where upstream = $1 or downstream = $1`, domain.EndpointURI(r.FullName))
		return err
	}
	from, to := versionRange(r)
	_, err := exec(ctx, t.q, op, `delete from edge where (upstream > $1 and upstream < $2) or (downstream > $1 and downstream < $2)`, from, to)
	return err
}
