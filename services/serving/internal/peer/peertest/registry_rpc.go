package peertest

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

// ResolveModelVersion needs EXECUTE on the model.
func (r *Registry) ResolveModelVersion(ctx context.Context, req *registryv1.ResolveModelVersionRequest) (*registryv1.ResolveModelVersionResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fails["ResolveModelVersion"]; err != nil {
		return nil, err
	}
	key, name, err := r.key(req.GetUri(), "models:/")
	if err != nil {
		return nil, err
	}
	v, ok := r.versions[key]
	if !ok || !r.may(principal(ctx), registryv1.Privilege_PRIVILEGE_EXECUTE, name) {
		return nil, notFound("model %s not found, or not visible", name)
	}
	return &registryv1.ResolveModelVersionResponse{ModelVersion: v}, nil
}

// ResolvePromptVersion needs EXECUTE on the prompt.
func (r *Registry) ResolvePromptVersion(ctx context.Context, req *registryv1.ResolvePromptVersionRequest) (*registryv1.ResolvePromptVersionResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fails["ResolvePromptVersion"]; err != nil {
		return nil, err
	}
	key, name, err := r.key(req.GetUri(), "prompts:/")
	if err != nil {
		return nil, err
	}
	v, ok := r.prompts[key]
	if !ok || !r.may(principal(ctx), registryv1.Privilege_PRIVILEGE_EXECUTE, name) {
		return nil, notFound("prompt %s not found, or not visible", name)
	}
	return &registryv1.ResolvePromptVersionResponse{PromptVersion: v}, nil
}

// key turns a reference into "c.s.m/3".
func (r *Registry) key(uri, scheme string) (key, name string, err error) {
	rest := strings.TrimPrefix(uri, scheme)
	name, alias, found := strings.Cut(rest, "@")
	if !found {
		name, _, _ = strings.Cut(rest, "/")
		return rest, name, nil
	}
	version, ok := r.aliases[name+"@"+alias]
	if !ok {
		return "", "", notFound("%s has no alias %q", name, alias)
	}
	return fmt.Sprintf("%s/%d", name, version), name, nil
}

// CheckAccess lets owners and admins do everything. Endpoints are visible to whoever has any grant on them.
func (r *Registry) CheckAccess(ctx context.Context, req *registryv1.CheckAccessRequest) (*registryv1.CheckAccessResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks++
	if err := r.fails["CheckAccess"]; err != nil {
		return nil, err
	}
	p := principal(ctx)
	out := &registryv1.CheckAccessResponse{}
	for _, q := range req.GetQuestions() {
		name := q.GetSecurable().GetFullName()
		a := &registryv1.AccessAnswer{Reason: "needs " + strings.TrimPrefix(q.GetPrivilege().String(), "PRIVILEGE_") + " on " + name}
		owner, exists := r.owners[name]
		if q.GetSecurable().GetType() == registryv1.SecurableType_SECURABLE_TYPE_METASTORE {
			a.Visible, a.Allowed = true, r.may(p, q.GetPrivilege(), "")
		} else if exists {
			a.Allowed = owner == p.Name || r.may(p, q.GetPrivilege(), name)
			a.Visible = a.Allowed || r.may(p, registryv1.Privilege_PRIVILEGE_EXECUTE, name) || r.may(p, registryv1.Privilege_PRIVILEGE_MANAGE, name)
		}
		out.Answers = append(out.Answers, a)
	}
	return out, nil
}

// RegisterSecurable is for services.
func (r *Registry) RegisterSecurable(ctx context.Context, req *registryv1.RegisterSecurableRequest) (*registryv1.RegisterSecurableResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.internal(ctx, "RegisterSecurable"); err != nil {
		return nil, err
	}
	name := req.GetSecurable().GetFullName()
	if _, ok := r.owners[name]; ok {
		return nil, fault.New("registry", fault.AlreadyExists, "endpoint %s is registered already", name)
	}
	r.owners[name] = req.GetOwner()
	return &registryv1.RegisterSecurableResponse{}, nil
}

// UnregisterSecurable is for services.
func (r *Registry) UnregisterSecurable(ctx context.Context, req *registryv1.UnregisterSecurableRequest) (*registryv1.UnregisterSecurableResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.internal(ctx, "UnregisterSecurable"); err != nil {
		return nil, err
	}
	name := req.GetSecurable().GetFullName()
	if _, ok := r.owners[name]; !ok {
		return nil, notFound("endpoint %s is not registered", name)
	}
	delete(r.owners, name)
	for g := range r.grants {
		if strings.HasSuffix(g, " "+name) {
			delete(r.grants, g)
		}
	}
	return &registryv1.UnregisterSecurableResponse{}, nil
}

// AddLineage is taken from services only here.
func (r *Registry) AddLineage(ctx context.Context, req *registryv1.AddLineageRequest) (*registryv1.AddLineageResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.internal(ctx, "AddLineage"); err != nil {
		return nil, err
	}
	for _, e := range req.GetEdges() {
		r.edges = append(r.edges, e.GetUpstream()+" "+e.GetRelation()+" "+e.GetDownstream())
	}
	return &registryv1.AddLineageResponse{}, nil
}

func (r *Registry) internal(ctx context.Context, method string) error {
	if p := principal(ctx); p.Kind != auth.Internal {
		return fault.New("registry", fault.PermissionDenied, "%s is for services, not for %s", method, p.Name)
	}
	return r.fails[method]
}

// WatchEvents sends what there is and what comes.
func (r *Registry) WatchEvents(req *registryv1.WatchEventsRequest, out grpc.ServerStreamingServer[registryv1.WatchEventsResponse]) error {
	at := req.GetAfterPosition()
	for {
		r.mu.Lock()
		events, changed, err := r.events[min(at, int64(len(r.events))):], r.changed, r.fails["WatchEvents"]
		r.mu.Unlock()
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := out.Send(&registryv1.WatchEventsResponse{Event: e}); err != nil {
				return err
			}
			at = e.GetPosition()
		}
		select {
		case <-out.Context().Done():
			return out.Context().Err()
		case <-changed:
		}
	}
}
