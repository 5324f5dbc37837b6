package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// gate remembers, for one call, which endpoints the caller may manage: a list asks
// about the same few endpoints again and again.
type gate struct {
	access Access
	known  map[string]bool
}

func newGate(a Access) *gate { return &gate{access: a, known: map[string]bool{}} }

// opens tells whether the caller may manage the endpoint. A refusal is an answer;
// any other failure is an error.
func (g *gate) opens(ctx context.Context, endpoint string) (bool, error) {
	if allowed, asked := g.known[endpoint]; asked {
		return allowed, nil
	}
	err := g.access.Check(ctx, endpoint, Manage)
	if err != nil && !refused(err) {
		return false, err
	}
	g.known[endpoint] = err == nil
	return err == nil, nil
}

func refused(err error) bool {
	return fault.Is(err, fault.PermissionDenied) || fault.Is(err, fault.NotFound)
}

// visible fills one page with the rows that the caller may see. fetch reads rows
// after the given one (nil: from the beginning); more tells that rows remain behind
// the page. Rows out of sight are skipped here and not in SQL, because the registry
// alone knows who may see what.
func visible[T any](limit int, fetch func(after *T, n int) ([]T, error), shown func(T) (bool, error)) (page []T, more bool, err error) {
	var after *T
	for {
		rows, err := fetch(after, limit+1)
		if err != nil {
			return nil, false, err
		}
		for i := range rows {
			ok, err := shown(rows[i])
			switch {
			case err != nil:
				return nil, false, err
			case ok && len(page) == limit:
				return page, true, nil
			case ok:
				page = append(page, rows[i])
			}
		}
		if len(rows) <= limit {
			return page, false, nil
		}
		after = &rows[len(rows)-1]
	}
}
