package route

import (
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
)

// Buckets is how finely traffic is split: a hundredth of a percent.
const Buckets = 10_000

// Table is one revision of all routes. It is never changed.
type Table struct {
	Revision  int64
	endpoints map[string]*Endpoint
	sorted    []*Endpoint
}

// Endpoint is a name that answers requests.
type Endpoint struct {
	Name           string
	ID             string
	ConfigRevision int64
	Created        time.Time // read from the id
	Entities       []*Entity
	salt           *xxhash.Digest // has taken the id
	upTo           []int          // of each entity: the first bucket that is no longer its
}

// Entity is one of the things that may answer.
type Entity struct {
	Name          string
	Traffic       int         // whole percent
	ModelVersion  string      // "models:/c.s.m/3"; empty when external
	PromptVersion string      // to be rendered first; empty when the request goes straight to the model
	Instances     []*Instance // where a local model runs
	External      *External   // nil when local
}

// External is a model at a provider.
type External struct {
	Provider string
	Model    string
	Task     string // chat, embeddings, or empty for both
}

// Endpoint finds an endpoint by name; nil when there is none.
func (t *Table) Endpoint(name string) *Endpoint {
	if t == nil {
		return nil
	}
	return t.endpoints[name]
}

// Endpoints are all of them, by name.
func (t *Table) Endpoints() []*Endpoint {
	if t == nil {
		return nil
	}
	return t.sorted
}

// Entity finds a served entity by name; nil when there is none.
func (e *Endpoint) Entity(name string) *Entity {
	for _, entity := range e.Entities {
		if entity.Name == name {
			return entity
		}
	}
	return nil
}

// Pick chooses the served entity for a unit, and says which bucket the unit is in.
func (e *Endpoint) Pick(unit string) (entity *Entity, bucket int) {
	salted := *e.salt // a copy: the salt has been hashed once for all
	_, _ = salted.WriteString(unit)
	bucket = int(salted.Sum64() % Buckets)
	for i, end := range e.upTo {
		if bucket < end {
			return e.Entities[i], bucket
		}
	}
	return nil, bucket // no traffic: the sum of the shares is 0
}

// build makes a table of what serving sent. instances are kept from table to table.
func build(m *servingv1.WatchRoutesResponse, instances *Instances) *Table {
	t := &Table{Revision: m.GetRevision(), endpoints: make(map[string]*Endpoint, len(m.GetEndpoints()))}
	for _, r := range m.GetEndpoints() {
		e := buildEndpoint(r, instances)
		t.endpoints[e.Name] = e
		t.sorted = append(t.sorted, e)
	}
	slices.SortFunc(t.sorted, func(a, b *Endpoint) int { return strings.Compare(a.Name, b.Name) })
	return t
}

func buildEndpoint(r *servingv1.EndpointRoute, instances *Instances) *Endpoint {
	e := &Endpoint{
		Name: r.GetName(), ID: r.GetId(), ConfigRevision: r.GetConfigRevision(), Created: created(r.GetId()), salt: xxhash.New(),
	}
	_, _ = e.salt.WriteString(e.ID + "/")
	share := 0
	for _, er := range r.GetEntities() {
		entity := &Entity{
			Name: er.GetName(), Traffic: int(er.GetTrafficPercentage()), ModelVersion: er.GetModelVersion(), PromptVersion: er.GetPromptVersion(),
		}
		if x := er.GetExternal(); x != nil {
			entity.External = &External{Provider: x.GetProvider(), Model: x.GetModel(), Task: x.GetTask()}
		}
		for _, i := range er.GetInstances() {
			entity.Instances = append(entity.Instances, instances.get(i.GetRuntime(), i.GetInstanceId()))
		}
		e.Entities = append(e.Entities, entity)
		share += entity.Traffic
		e.upTo = append(e.upTo, share*Buckets/100)
	}
	return e
}

// created reads the time out of a UUIDv7; the zero time when id is none.
func created(id string) time.Time {
	var ms int64
	digits := 0
	for i := 0; i < len(id) && digits < 12; i++ {
		c := id[i]
		switch {
		case c >= '0' && c <= '9':
			ms = ms<<4 | int64(c-'0')
		case c >= 'a' && c <= 'f':
			ms = ms<<4 | int64(c-'a'+10)
		case c == '-':
			continue
		default:
			return time.Time{}
		}
		digits++
	}
	if digits < 12 || len(id) != 36 || id[14] != '7' {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
