package flow

import "context"

// Privilege is what a caller must hold on an endpoint.
type Privilege string

// The privileges that this service asks about.
const (
	Execute Privilege = "EXECUTE" // may query the endpoint: judge its answers
	Manage  Privilege = "MANAGE"  // may change the endpoint: read its log, watch it
)

// Access decides whether the caller in ctx may do something to an endpoint. The
// registry owns that decision; the door wires its client in here.
//
// Check returns nil when the caller may, a fault of kind PermissionDenied when it
// may not, and one of kind NotFound when it may not even know the endpoint.
// Administrators and this service itself may do everything: Check says so too, so
// flows do not repeat that rule.
type Access interface {
	Check(ctx context.Context, endpoint string, privilege Privilege) error
}
