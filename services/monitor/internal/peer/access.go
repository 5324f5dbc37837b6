// Package peer is how the monitor speaks to the other services: their wire types
// go no further than this package.
package peer

import (
	"context"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

// Access asks the registry, as whoever the context says.
type Access struct {
	client registryv1.AccessServiceClient
}

// NewAccess speaks over a connection that lives as long as the result.
func NewAccess(conn grpc.ClientConnInterface) *Access {
	return &Access{client: registryv1.NewAccessServiceClient(conn)}
}

var _ flow.Access = (*Access)(nil)

var privileges = map[flow.Privilege]registryv1.Privilege{
	flow.Execute: registryv1.Privilege_PRIVILEGE_EXECUTE,
	flow.Manage:  registryv1.Privilege_PRIVILEGE_MANAGE,
}

// Check implements flow.Access. Administrators and services are not asked about:
// the registry would say yes, and the log of an endpoint that was deleted is
// still theirs to read.
func (a *Access) Check(ctx context.Context, endpoint string, privilege flow.Privilege) error {
	const op = "peer.CheckAccess"
	p, ok := auth.From(ctx)
	if !ok {
		return fault.New(op, fault.Unauthenticated, "authentication is required")
	}
	if p.IsAdmin() {
		return nil
	}
	want, ok := privileges[privilege]
	if !ok {
		return fault.New(op, fault.Internal, "no privilege %s", privilege)
	}
	got, err := a.client.CheckAccess(ctx, &registryv1.CheckAccessRequest{Questions: []*registryv1.AccessQuestion{{
		Securable: &registryv1.Securable{Type: registryv1.SecurableType_SECURABLE_TYPE_ENDPOINT, FullName: endpoint}, Privilege: want,
	}}})
	if err != nil {
		return err
	}
	if len(got.GetAnswers()) != 1 {
		return fault.New(op, fault.Internal, "one question, %d answers", len(got.GetAnswers()))
	}
	switch answer := got.GetAnswers()[0]; {
	case answer.GetAllowed():
		return nil
	case answer.GetVisible():
		return fault.New(op, fault.PermissionDenied, "this needs %s on endpoint %s", privilege, endpoint).WithReason("ENDPOINT_ACCESS_DENIED")
	default:
		return fault.New(op, fault.NotFound, "endpoint %s does not exist", endpoint).WithReason("ENDPOINT_NOT_FOUND")
	}
}
