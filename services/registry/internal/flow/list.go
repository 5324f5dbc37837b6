package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/page"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// Sizes of pages.
const (
	defaultPage = 100
	maxPage     = 1000
	// maxScan bounds the rows that one call looks at on behalf of a caller who sees few of them. Past it the page is short,
	// perhaps empty, and its token goes on from there.
	maxScan = 10_000
	// scanBatch is how many rows are looked at together.
	scanBatch = 500
)

// pageKey is the place where the next page begins. It names its list, so that a token of another is refused.
type pageKey struct {
	List  string `json:"l"`
	Of    string `json:"o,omitempty"`
	After string `json:"a,omitempty"`
	Below int64  `json:"b,omitempty"`
}

func decodePage(token string, list, of string) (pageKey, error) {
	if token == "" {
		return pageKey{List: list, Of: of}, nil
	}
	var key pageKey
	if err := page.Decode(token, &key); err != nil {
		return pageKey{}, err
	}
	if key.List != list || key.Of != of {
		return pageKey{}, fault.New("registry.List", fault.Invalid, "page_token is not one that this list gave out").WithReason("PAGE_TOKEN_INVALID")
	}
	return key, nil
}

// List returns a page of the things of a type that the caller may see, by full name: of one parent, which the caller must
// be able to pass through, or of all when parent is empty. For catalogs the parent is always empty.
func (t Tree) List(ctx context.Context, typ domain.SecurableType, parent string, size int32, token string) (lines []domain.Line, next string, err error) {
	const op = "registry.List"
	c, err := caller(ctx, op)
	if err != nil {
		return nil, "", err
	}
	limit, err := page.Size(size, defaultPage, maxPage)
	if err != nil {
		return nil, "", err
	}
	parentID, parent, err := t.parent(ctx, op, typ, parent)
	if err != nil {
		return nil, "", err
	}
	key, err := decodePage(token, string(typ), parent)
	if err != nil {
		return nil, "", err
	}
	seen, after, more, err := scanVisible(ctx, t.Store, c, typ, parentID, key.After, limit)
	if err != nil {
		return nil, "", err
	}
	if more {
		key.After = after
		next = page.Encode(key)
	}
	lines, err = t.Store.Lines(ctx, seen)
	return lines, next, err
}

// parent checks that the caller can pass through what is to be listed.
func (t Tree) parent(ctx context.Context, op string, typ domain.SecurableType, name string) (id, fullName string, err error) {
	if name == "" {
		return "", "", nil
	}
	of := domain.TypeSchema
	if typ == domain.TypeSchema {
		of = domain.TypeCatalog
	}
	ref, err := domain.ParseRef(of, name)
	if err != nil {
		return "", "", err
	}
	s, err := require(ctx, t.Store, op, ref, domain.Browse(of)...)
	return s.ID, ref.FullName, err
}

// scanVisible collects what the caller may see. after is the last row looked at, and more says whether there are others
// behind it.
func scanVisible(ctx context.Context, r store.Reader, c domain.Caller, typ domain.SecurableType, parentID, after string, limit int) (seen []domain.Securable, last string, more bool, err error) {
	for scanned := 0; scanned < maxScan; {
		batch := limit + 1 - len(seen)
		if !c.Admin {
			batch = max(batch, scanBatch)
		}
		rows, err := r.List(ctx, typ, parentID, after, batch)
		if err != nil {
			return nil, "", false, err
		}
		refs := make([]domain.Ref, len(rows))
		for i, s := range rows {
			refs[i] = s.Ref
		}
		accesses, err := judge(ctx, r, c, refs...)
		if err != nil {
			return nil, "", false, err
		}
		for i, s := range rows {
			if !accesses[i].Decide(domain.Browse(typ)...).Allowed {
				after = s.Ref.FullName
				continue
			}
			if len(seen) == limit {
				return seen, after, true, nil
			}
			seen = append(seen, s)
			after = s.Ref.FullName
		}
		if len(rows) < batch {
			return seen, after, false, nil
		}
		scanned += len(rows)
	}
	return seen, after, true, nil
}
