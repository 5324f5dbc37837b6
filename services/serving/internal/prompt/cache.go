package prompt

import (
	"container/list"
	"context"
	"sync"

	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// Source is where templates are kept.
type Source interface {
	// Template is the template with a digest; NotFound when there is none.
	Template(ctx context.Context, digest string) (domain.Template, error)
}

// Cache holds compiled templates by digest, the most recently used ones. A digest always means the same template, so that
// nothing in the cache can be stale.
type Cache struct {
	source Source
	size   int
	mu     sync.Mutex
	byUse  *list.List // of *entry, most recently used first
	index  map[string]*list.Element
}

type entry struct {
	digest  string
	program *Program
}

// NewCache is a cache of at most size (at least 1) programs.
func NewCache(source Source, size int) *Cache {
	return &Cache{source: source, size: max(size, 1), byUse: list.New(), index: map[string]*list.Element{}}
}

// Program is the compiled template with a digest. Callers who miss at the same time each read it: that is rare, cheap and
// simpler than waiting for one another.
func (c *Cache) Program(ctx context.Context, digest string) (*Program, error) {
	if p := c.get(digest); p != nil {
		return p, nil
	}
	t, err := c.source.Template(ctx, digest)
	if err != nil {
		return nil, err
	}
	p, err := Compile(t)
	if err != nil {
		return nil, err
	}
	c.put(digest, p)
	return p, nil
}

func (c *Cache) get(digest string) *Program {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.index[digest]
	if !ok {
		return nil
	}
	c.byUse.MoveToFront(el)
	return el.Value.(*entry).program
}

func (c *Cache) put(digest string, p *Program) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.index[digest]; ok {
		return
	}
	c.index[digest] = c.byUse.PushFront(&entry{digest: digest, program: p})
	for c.byUse.Len() > c.size {
		oldest := c.byUse.Remove(c.byUse.Back()).(*entry)
		delete(c.index, oldest.digest)
	}
}
