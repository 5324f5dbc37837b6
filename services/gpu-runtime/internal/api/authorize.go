// Package api puts the flows on the wire. It translates and decides nothing, but for one thing that belongs at the door:
// who may come in. A node obeys the platform's services and its administrators. People reach a model through the gateway,
// where they are limited, metered and logged; a node that answered them directly would be a way around all three.
package api

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
)

func authorize(ctx context.Context, op string) error {
	if p, ok := auth.From(ctx); ok && p.IsAdmin() {
		return nil
	}
	return fault.New(op, fault.PermissionDenied, "only services of the platform and administrators may use a node directly; models are called through the gateway").WithReason("NODE_IS_INTERNAL")
}
