// Package peertest pretends to be serving's peers, over real gRPC, so that tests can make them fail in ways that the real
// ones seldom do: at a chosen moment, halfway, slowly, twice. What they do when they do not fail is what their protos say
// and no more; that serving works with the real ones is proved elsewhere.
package peertest

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

// Registry pretends to be the registry. Its zero value is not ready; use NewRegistry.
type Registry struct {
	registryv1.UnimplementedModelServiceServer
	registryv1.UnimplementedPromptServiceServer
	registryv1.UnimplementedAccessServiceServer
	registryv1.UnimplementedLineageServiceServer
	registryv1.UnimplementedEventServiceServer

	mu       sync.Mutex
	versions map[string]*registryv1.ModelVersion  // "c.s.m/3"
	prompts  map[string]*registryv1.PromptVersion // "c.s.p/2"
	aliases  map[string]int64                     // "c.s.m@alias"
	owners   map[string]string                    // of endpoints
	grants   map[string]bool                      // "principal PRIVILEGE_X name"
	edges    []string
	events   []*registryv1.Event
	changed  chan struct{}
	fails    map[string]error
	checks   int
}

// NewRegistry is empty and lets nobody do anything.
func NewRegistry() *Registry {
	return &Registry{
		versions: map[string]*registryv1.ModelVersion{}, prompts: map[string]*registryv1.PromptVersion{}, aliases: map[string]int64{},
		owners: map[string]string{}, grants: map[string]bool{}, changed: make(chan struct{}), fails: map[string]error{},
	}
}

// Register puts the services on a server.
func (r *Registry) Register(s grpc.ServiceRegistrar) {
	registryv1.RegisterModelServiceServer(s, r)
	registryv1.RegisterPromptServiceServer(s, r)
	registryv1.RegisterAccessServiceServer(s, r)
	registryv1.RegisterLineageServiceServer(s, r)
	registryv1.RegisterEventServiceServer(s, r)
}

// Fail makes a method answer with an error until it is given nil.
func (r *Registry) Fail(method string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails[method] = err
}

// AddModel makes versions 1 to n of a model READY.
func (r *Registry) AddModel(name string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for v := int64(1); v <= n; v++ {
		r.versions[fmt.Sprintf("%s/%d", name, v)] = &registryv1.ModelVersion{
			Model: name, Version: v, Format: "gguf", Status: registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_READY,
		}
	}
}

// PutModelVersion adds a version that is unlike the others.
func (r *Registry) PutModelVersion(v *registryv1.ModelVersion) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions[fmt.Sprintf("%s/%d", v.GetModel(), v.GetVersion())] = v
}

// PutPrompt adds a prompt version.
func (r *Registry) PutPrompt(v *registryv1.PromptVersion) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prompts[fmt.Sprintf("%s/%d", v.GetPrompt(), v.GetVersion())] = v
}

// DropPrompt forgets a prompt version.
func (r *Registry) DropPrompt(name string, version int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.prompts, fmt.Sprintf("%s/%d", name, version))
}

// SetAlias points an alias and tells everybody who watches; version 0 removes it.
func (r *Registry) SetAlias(kind registryv1.EventKind, name, alias string, version int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aliases[name+"@"+alias] = version
	if version == 0 {
		delete(r.aliases, name+"@"+alias)
	}
	r.emit(&registryv1.Event{Kind: kind, FullName: name, Alias: alias, Version: version})
}

// Grant lets a principal do something: on an endpoint, on a model or prompt by its name, or on the metastore ("").
func (r *Registry) Grant(principal string, p registryv1.Privilege, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grants[principal+" "+p.String()+" "+name] = true
	r.emit(&registryv1.Event{Kind: registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, FullName: name})
}

// Revoke takes a grant back.
func (r *Registry) Revoke(principal string, p registryv1.Privilege, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.grants, principal+" "+p.String()+" "+name)
	r.emit(&registryv1.Event{Kind: registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, FullName: name})
}

// Owner is who an endpoint was registered for, "" when it is not.
func (r *Registry) Owner(endpoint string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owners[endpoint]
}

// SetOwner leaves a securable behind, as if serving had lost its endpoint.
func (r *Registry) SetOwner(endpoint, owner string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owners[endpoint] = owner
}

// Edges are the lineage edges recorded, "upstream relation downstream".
func (r *Registry) Edges() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.edges...)
}

// Checks is how often CheckAccess was called.
func (r *Registry) Checks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.checks
}

func (r *Registry) emit(e *registryv1.Event) {
	e.Position = int64(len(r.events)) + 1
	r.events = append(r.events, e)
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Registry) may(p auth.Principal, privilege registryv1.Privilege, name string) bool {
	return p.IsAdmin() || r.grants[p.Name+" "+privilege.String()+" "+name]
}

func principal(ctx context.Context) auth.Principal {
	p, _ := auth.From(ctx)
	return p
}

func notFound(format string, args ...any) error {
	return fault.New("registry", fault.NotFound, format, args...)
}
