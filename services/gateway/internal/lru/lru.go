// Package lru is a map that forgets. It holds at most as many entries as it was made for and lets go of those that were
// not asked for the longest, so that what strangers send cannot grow the gateway's memory. It is cut into shards by hash,
// because it is asked at every request by all cores at once.
package lru

import (
	"container/list"
	"hash/maphash"
	"sync"
)

const shards = 16

// Cache maps K to V. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	seed  maphash.Seed
	parts [shards]part[K, V]
}

type part[K comparable, V any] struct {
	mu    sync.Mutex
	limit int
	byKey map[K]*list.Element
	order *list.List // most recently used first
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// New is an empty cache for about limit entries, at least one per shard.
func New[K comparable, V any](limit int) *Cache[K, V] {
	c := &Cache[K, V]{seed: maphash.MakeSeed()}
	for i := range c.parts {
		c.parts[i] = part[K, V]{limit: max(1, limit/shards), byKey: map[K]*list.Element{}, order: list.New()}
	}
	return c
}

func (c *Cache[K, V]) part(key K) *part[K, V] {
	return &c.parts[maphash.Comparable(c.seed, key)%shards]
}

// Get returns the value of key and marks it as used.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	p := c.part(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.byKey[key]
	if !ok {
		return value, false
	}
	p.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true //nolint:forcetypeassert // the list holds nothing else
}

// Put sets the value of key; the least recently used entry goes when there is no room.
func (c *Cache[K, V]) Put(key K, value V) {
	p := c.part(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.byKey[key]; ok {
		e.Value.(*entry[K, V]).value = value //nolint:forcetypeassert // as above
		p.order.MoveToFront(e)
		return
	}
	p.byKey[key] = p.order.PushFront(&entry[K, V]{key: key, value: value})
	if p.order.Len() > p.limit {
		p.drop(p.order.Back())
	}
}

// DeleteFunc forgets the entries that del wants gone.
func (c *Cache[K, V]) DeleteFunc(del func(K, V) bool) {
	for i := range c.parts {
		c.parts[i].deleteFunc(del)
	}
}

// Len is the number of entries.
func (c *Cache[K, V]) Len() (n int) {
	for i := range c.parts {
		c.parts[i].mu.Lock()
		n += c.parts[i].order.Len()
		c.parts[i].mu.Unlock()
	}
	return n
}

func (p *part[K, V]) deleteFunc(del func(K, V) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := p.order.Front(); e != nil; {
		next := e.Next()
		if x := e.Value.(*entry[K, V]); del(x.key, x.value) { //nolint:forcetypeassert // as above
			p.drop(e)
		}
		e = next
	}
}

func (p *part[K, V]) drop(e *list.Element) {
	p.order.Remove(e)
	delete(p.byKey, e.Value.(*entry[K, V]).key) //nolint:forcetypeassert // as above
}
