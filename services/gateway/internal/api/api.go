// Package api puts the gateway's own verbs on the wire: one file per service, from message to flow and back. It decides
// nothing. Messages have been validated against their rules before they come here.
package api

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
)

// caller is on whose behalf a call is made. The server puts it into the context; without it there is no call.
func caller(ctx context.Context) (auth.Principal, error) {
	p, ok := auth.From(ctx)
	if !ok {
		return auth.Principal{}, fault.New("api", fault.Unauthenticated, "authentication is required")
	}
	return p, nil
}

// stamp is a time on the wire; absent for never.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// each translates a list.
func each[A, B any](list []A, f func(A) B) []B {
	out := make([]B, len(list))
	for i, x := range list {
		out[i] = f(x)
	}
	return out
}
