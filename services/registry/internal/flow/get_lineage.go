package flow

import (
	"context"
	"slices"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Get walks the graph from one entity, up and down, and returns the edges it meets, nearest first. An edge to something
// that the caller may not see is not there for the caller, nor is what lies behind it.
func (l Lineage) Get(ctx context.Context, entity string, depth int) ([]domain.Edge, error) {
	const op = "registry.GetLineage"
	c, err := caller(ctx, op)
	if err != nil {
		return nil, err
	}
	e, err := domain.ParseEntity(entity)
	if err != nil {
		return nil, err
	}
	switch {
	case depth == 0:
		depth = domain.DefaultDepth
	case depth < 0 || depth > domain.MaxDepth:
		return nil, fault.New(op, fault.Invalid, "the depth %d is not from 0 to %d", depth, domain.MaxDepth).WithReason("LINEAGE_INVALID")
	}
	start, err := resolveEntity(ctx, l.Store, op, e, domain.Browse(e.Securable.Type)...)
	if err != nil {
		return nil, err
	}
	w := walk{l: l, caller: c, visible: map[string]bool{start: true}, edges: map[domain.Edge]bool{}}
	frontier := []string{start}
	for range depth {
		if frontier, err = w.step(ctx, frontier); err != nil || len(frontier) == 0 {
			break
		}
	}
	return w.found, err
}

// walk is a breadth-first walk. visible holds every entity met so far and whether the caller may see it.
type walk struct {
	l       Lineage
	caller  domain.Caller
	visible map[string]bool
	edges   map[domain.Edge]bool
	found   []domain.Edge
}

// maxFrontier bounds the entities that one query asks for.
const maxFrontier = 1000

// step takes the edges that touch the frontier and returns the entities at their other ends that are new and visible.
func (w *walk) step(ctx context.Context, frontier []string) (next []string, err error) {
	var edges []domain.Edge
	for some := range slices.Chunk(frontier, maxFrontier) {
		more, err := w.l.Store.Edges(ctx, some, domain.MaxLineageEdges-len(w.found)-len(edges))
		if err != nil {
			return nil, err
		}
		if edges = append(edges, more...); len(w.found)+len(edges) >= domain.MaxLineageEdges {
			break
		}
	}
	fresh, err := w.meet(ctx, edges)
	if err != nil {
		return nil, err
	}
	for _, e := range edges {
		if !w.edges[e] && w.visible[e.Upstream] && w.visible[e.Downstream] {
			w.edges[e] = true
			w.found = append(w.found, e)
		}
	}
	for _, uri := range fresh {
		if w.visible[uri] {
			next = append(next, uri)
		}
	}
	if len(w.found) >= domain.MaxLineageEdges {
		return nil, nil
	}
	return next, nil
}

// meet decides which of the entities that are met for the first time the caller may see, and returns them all.
func (w *walk) meet(ctx context.Context, edges []domain.Edge) (fresh []string, err error) {
	var refs []domain.Ref
	var inside []string
	for _, e := range edges {
		for _, uri := range []string{e.Upstream, e.Downstream} {
			if _, met := w.visible[uri]; met {
				continue
			}
			fresh = append(fresh, uri)
			entity, err := domain.ParseEntity(uri)
			w.visible[uri] = err == nil && entity.Outside()
			if err == nil && !entity.Outside() {
				refs, inside = append(refs, entity.Securable), append(inside, uri)
			}
		}
	}
	accesses, err := judge(ctx, w.l.Store, w.caller, refs...)
	if err != nil {
		return nil, err
	}
	for i, uri := range inside {
		w.visible[uri] = accesses[i].Decide(domain.Browse(refs[i].Type)...).Allowed
	}
	return fresh, nil
}
