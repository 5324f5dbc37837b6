package identity

import (
	"context"
	"net/http"

	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// Anyone is the authenticator of a gateway that asks for no token: whoever reaches it is the first admin. The
// configuration allows it only where nobody but the machine's own users can reach it.
type Anyone struct{}

var anyone = Caller(domain.Principal{Name: domain.Admin, Kind: domain.User, Groups: []string{domain.Admins}}, domain.Scopes{domain.ScopeAll})

// Authenticate takes every request for the admin's.
func (Anyone) Authenticate(*http.Request) (auth.Principal, error) { return anyone, nil }

// AuthenticateCall takes every call for the admin's.
func (Anyone) AuthenticateCall(context.Context, metadata.MD) (auth.Principal, error) {
	return anyone, nil
}
