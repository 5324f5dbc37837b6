// Package storetest is the suite that every implementation of the store's contract passes. A backend's own test opens an
// empty store and calls Run.
package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/store"
)

// Run proves the contract on stores that open makes; each is empty and closed by its maker.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *bench){
		"an endpoint comes back as it was written":                      roundTrip,
		"text of every kind comes back byte for byte":                   text,
		"a name is taken until its endpoint is removed":                 names,
		"lists are ordered by bytes and paged by key":                   lists,
		"a change that fails or changes nothing leaves no trace":        noTrace,
		"a change that breaks an invariant is refused":                  guarded,
		"of many updates at once exactly one pends":                     oneWins,
		"the table's revision grows with routes and with nothing else":  tableRevision,
		"many swaps at once each move the table on":                     manySwaps,
		"a reader never sees a table of two moments":                    wholeTable,
		"a retired instance is stamped with the table that forgot it":   stamped,
		"a revision's configuration never changes once written":         immutable,
		"revisions are listed newest first and in pages":                revisions,
		"a lease has one holder and ends by itself":                     leases,
		"a change under a lost lease is refused":                        fenced,
		"of many claims at once exactly one wins":                       claims,
		"the slowest connected gateway counts":                          gateways,
		"a gateway's new stream replaces its old one":                   streams,
		"a gateway of a dead replica counts until its time is over":     orphanedGateway,
		"an alias that moves marks who follows it":                      moved,
		"the position never goes back":                                  position,
		"templates are shared by what they say":                         templates,
		"work that is left is found after a restart":                    unsettled,
		"only what is deleted and stands on nothing is removed":         removal,
		"everything that belongs to an endpoint goes with it":           cascade,
		"what is not there is not found, and what is old is overlooked": missing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &bench{Store: open(t), t: t, ids: id.Fixed()})
		})
	}
}

// Noon has microseconds, which stores keep, and nanoseconds, which they cut.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

type bench struct {
	store.Store
	t   *testing.T
	ids id.Source
}

func (b *bench) stamp() domain.Stamp {
	return domain.Stamp{Now: Noon, IDs: b.ids, Prefix: "serving", Runtime: "gpu-runtime"}
}

// config serves versions of one model, the first with all traffic.
func config(t *testing.T, references ...string) (domain.Config, []domain.Pin) {
	t.Helper()
	var c domain.Config
	var pins []domain.Pin
	for i, r := range references {
		name := fmt.Sprintf("e%d", i)
		c.Entities = append(c.Entities, domain.Entity{Name: name, Model: &domain.Model{Reference: r}})
		c.Routes = append(c.Routes, domain.Traffic{Entity: name, Percent: map[bool]int32{true: 100}[i == 0]})
		ref, err := domain.ParseReference(domain.Models, r)
		require.NoError(t, err)
		pins = append(pins, domain.Pin{Model: domain.ModelVersion{Name: ref.Name, Version: max(ref.Version, 1)}})
	}
	c, err := c.Normal()
	require.NoError(t, err)
	return c, pins
}

// draft is an endpoint with a first revision pending, not stored.
func (b *bench) draft(name string, references ...string) *domain.Endpoint {
	b.t.Helper()
	e := domain.Draft(name, "about "+name, "alice", map[string]string{"k": "v"}, b.stamp())
	c, pins := config(b.t, references...)
	require.NoError(b.t, e.Propose(c, pins, "alice", b.stamp()))
	return e
}

func (b *bench) create(name string, references ...string) *domain.Endpoint {
	b.t.Helper()
	e, err := b.Create(b.t.Context(), b.draft(name, references...))
	require.NoError(b.t, err)
	return e
}

// serving is an endpoint whose first revision is active.
func (b *bench) serving(name string, references ...string) *domain.Endpoint {
	b.t.Helper()
	return b.answer(b.create(name, references...).ID)
}

// change runs a change that must succeed.
func (b *bench) change(id string, f func(e *domain.Endpoint) bool) *domain.Endpoint {
	b.t.Helper()
	e, err := b.Change(b.t.Context(), id, "", func(e *domain.Endpoint) (bool, error) { return f(e), nil })
	require.NoError(b.t, err)
	return e
}

// answer probes every instance of an endpoint that waits for it.
func (b *bench) answer(id string) *domain.Endpoint {
	b.t.Helper()
	return b.change(id, func(e *domain.Endpoint) bool {
		for _, i := range e.Instances {
			e.Probed(i.ID, b.stamp())
		}
		return true
	})
}

func (b *bench) propose(id string, references ...string) *domain.Endpoint {
	b.t.Helper()
	c, pins := config(b.t, references...)
	return b.change(id, func(e *domain.Endpoint) bool {
		require.NoError(b.t, e.Propose(c, pins, "alice", b.stamp()))
		return true
	})
}

func (b *bench) delete(id string) *domain.Endpoint {
	b.t.Helper()
	return b.change(id, func(e *domain.Endpoint) bool {
		e.Delete(b.stamp())
		return true
	})
}

func (b *bench) tableRevision() int64 {
	b.t.Helper()
	revision, err := b.TableRevision(b.t.Context())
	require.NoError(b.t, err)
	return revision
}
