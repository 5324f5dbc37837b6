// Package providers is the address book of external models, as the hot path reads it: name in, base URL and opened key
// out, from memory. The store keeps keys sealed; here they are open, in memory alone, for as long as an entry is believed.
package providers

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/lru"
)

// Store keeps providers with their sealed keys; NotFound when there is none of a name.
type Store interface {
	Provider(ctx context.Context, name string) (domain.Provider, domain.Sealed, error)
}

// Opener opens a sealed key.
type Opener interface {
	Unseal(ctx context.Context, sealed []byte, owner string) (string, error)
}

const (
	// ttl is how long an entry is believed: the longest time that a change made at another gateway takes to be felt.
	ttl = 3 * time.Second
	// readWithin bounds one question to the store. Requests wait for it.
	readWithin = 2 * time.Second
	capacity   = 4096
)

// Entry is one provider, ready to be called.
type Entry struct {
	Name    string
	BaseURL string
	Key     config.Secret // empty: the provider wants none
}

// Book answers from memory. It is safe for concurrent use.
type Book struct {
	store   Store
	opener  Opener
	clock   clock.Clock
	log     *slog.Logger
	entries *lru.Cache[string, *known]
	flights singleflight.Group
	era     atomic.Uint64 // grows with every change made here; entries of an earlier era are not believed
}

type known struct {
	era   uint64
	at    time.Time
	found bool
	entry Entry
}

// New is a book without entries.
func New(s Store, o Opener, c clock.Clock, log *slog.Logger) *Book {
	return &Book{store: s, opener: o, clock: c, log: log, entries: lru.New[string, *known](capacity)}
}

// Changed makes everything known so far be read again: call it after every change of a provider.
func (b *Book) Changed() { b.era.Add(1) }

// Lookup is the provider called name; false when there is none. While the store does not answer, what was known last
// counts: a key that worked a moment ago is better than an outage.
func (b *Book) Lookup(name string) (Entry, bool) {
	era, now := b.era.Load(), b.clock.Now()
	old, ok := b.entries.Get(name)
	if ok && old.era == era && now.Sub(old.at) < ttl {
		return old.entry, old.found
	}
	v, err, _ := b.flights.Do(fmt.Sprintf("%s %d", name, era), func() (any, error) { return b.read(name, era, now) })
	if err != nil {
		b.log.LogAttrs(context.Background(), slog.LevelError, "provider cannot be read", slog.String("provider", name), slog.String("error", err.Error()))
		if ok && old.era == era {
			return old.entry, old.found
		}
		return Entry{}, false
	}
	fresh, _ := v.(*known)
	return fresh.entry, fresh.found
}

func (b *Book) read(name string, era uint64, now time.Time) (*known, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	k := &known{era: era, at: now}
	p, sealed, err := b.store.Provider(ctx, name)
	switch {
	case fault.Is(err, fault.NotFound):
	case err != nil:
		return nil, err
	default:
		k.found, k.entry = true, Entry{Name: p.Name, BaseURL: p.BaseURL}
		if len(sealed) > 0 {
			key, err := b.opener.Unseal(ctx, sealed, p.Name)
			if err != nil {
				return nil, err
			}
			k.entry.Key = config.Secret(key)
		}
	}
	b.entries.Put(name, k)
	return k, nil
}
