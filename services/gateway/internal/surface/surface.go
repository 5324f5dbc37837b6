// Package surface is the table of what the world may call. The gateway is the only public door of the platform, and this
// table is the only place that says what stands behind it: each public method, the service that owns it, and what a caller
// needs. Everything else follows from it. The gRPC door proxies these methods and no others; the REST door registers these
// services and lets these methods through; a method that is not here does not exist outside, however its owner serves it.
//
// Not here, on purpose: what only services say to each other (the monitor's IngestService, serving's RouteService, the
// registry's RegisterSecurable and UnregisterSecurable), and gpu-runtime's InferenceService, which would answer without
// limit, meter and log. Models are asked through the model surfaces.
package surface

import (
	"context"
	"fmt"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// Need is what a method asks of its caller, before its owner asks for grants.
type Need uint8

const (
	// Look: any token that may read.
	Look Need = iota
	// Change: a token for everything.
	Change
	// Administer: a token for everything, of an admin.
	Administer
)

// Self is the owner of the gateway's own services.
const Self = "gateway"

// Service is one public service.
type Service struct {
	Owner   string            // the peer that serves it, Self for the gateway
	Desc    *grpc.ServiceDesc // as generated
	Methods map[string]Need   // the public ones
	// REST puts the service's HTTP rules on a mux; nil when it has none.
	REST func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error
}

// Surface is the table, ready for lookups.
type Surface struct {
	services []Service
	needs    map[string]Need // by "/service/Method"
}

// New is the surface of this platform.
func New() (*Surface, error) { return Of(table()...) }

// Of is a surface of these services.
func Of(services ...Service) (*Surface, error) {
	s := &Surface{services: services, needs: map[string]Need{}}
	for _, svc := range services {
		for name, need := range svc.Methods {
			if _, ok := svc.Stream(name); !ok {
				return nil, fault.New("surface.Of", fault.Internal, "%s has no method %s", svc.Desc.ServiceName, name)
			}
			s.needs[svc.FullMethod(name)] = need
		}
	}
	return s, nil
}

// Services lists the public services.
func (s *Surface) Services() []Service { return s.services }

// Public reports whether a full method, "/service/Method", is in the table.
func (s *Surface) Public(method string) bool {
	_, ok := s.needs[method]
	return ok
}

// Admit is nil when p's token is good for the method. It is about the token; what p may do with which thing its owner
// decides.
func (s *Surface) Admit(p auth.Principal, method string) error {
	const op = "surface.Admit"
	need, ok := s.needs[method]
	if !ok {
		return fault.New(op, fault.Unimplemented, "this method is not public").WithReason("METHOD_NOT_PUBLIC")
	}
	switch {
	case len(p.Scopes) == 0: // a token for everything
	case need == Look && p.HasScope(string(domain.ScopeRead)):
	default:
		wanted := "all"
		if need == Look {
			wanted = "all or read"
		}
		return fault.New(op, fault.PermissionDenied, "this call needs a token with the scope %s; this one has %s", wanted, fmt.Sprint(p.Scopes)).WithReason("SCOPE_MISSING")
	}
	if need == Administer && !p.IsAdmin() {
		return fault.New(op, fault.PermissionDenied, "only members of %s may call this", domain.Admins).WithReason("ADMIN_REQUIRED")
	}
	return nil
}

// FullMethod is the name of a method on the wire.
func (svc Service) FullMethod(name string) string { return "/" + svc.Desc.ServiceName + "/" + name }

// Stream describes how a method's messages flow; false when the service has no such method.
func (svc Service) Stream(name string) (grpc.StreamDesc, bool) {
	for _, m := range svc.Desc.Methods {
		if m.MethodName == name {
			return grpc.StreamDesc{StreamName: name}, true
		}
	}
	for _, st := range svc.Desc.Streams {
		if st.StreamName == name {
			return grpc.StreamDesc{StreamName: name, ClientStreams: st.ClientStreams, ServerStreams: st.ServerStreams}, true
		}
	}
	return grpc.StreamDesc{}, false
}
