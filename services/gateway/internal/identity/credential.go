package identity

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/peer"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/limit"
)

// Headers are where a token may be, best first: ours and OpenAI's, Anthropic's, Azure's. They end here: nothing behind the
// gateway sees them.
var Headers = []string{"Authorization", "X-Api-Key", "Api-Key"}

// caller is where a credential comes from.
type caller struct {
	remote  string
	surface string
	get     func(name string) []string
}

// credential is the token's text.
func (c caller) credential() (string, error) {
	const op = "identity.credential"
	var odd bool
	for _, h := range Headers {
		values := c.get(h)
		switch {
		case len(values) == 0:
			continue
		case len(values) > 1: // which one a proxy on the way looked at, nobody knows
			return "", fault.New(op, fault.Unauthenticated, "more than one %s header", h).WithReason("CREDENTIAL_AMBIGUOUS")
		case h != "Authorization":
			return strings.TrimSpace(values[0]), nil
		}
		if scheme, text, ok := strings.Cut(strings.TrimSpace(values[0]), " "); ok && strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(text), nil
		}
		odd = true
	}
	if odd {
		return "", fault.New(op, fault.Unauthenticated, "the Authorization header must be `Bearer` and a token").WithReason("CREDENTIAL_SCHEME")
	}
	return "", fault.New(op, fault.Unauthenticated, "a token is required: Authorization: Bearer slw_…").WithReason("CREDENTIAL_MISSING")
}

func remoteOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}

// logRate is how many refusals are worth a line: enough for whoever counts them by address, too few to fill a disk.
var logRate = limit.Rate{Requests: 20, Per: time.Second, Burst: 200}

// refuse counts and logs a refusal. A caller without any credential is not an attack and is only counted.
func (a *Authenticator) refuse(ctx context.Context, c caller, err error, found *answer) error {
	reason := fault.Reason(err)
	a.results.WithLabelValues(strings.ToLower(reason)).Inc()
	if reason == "CREDENTIAL_MISSING" || fault.Is(err, fault.Canceled) {
		return err
	}
	if !a.logged.Admit("", logRate, a.o.Clock.Now()).Allowed {
		a.hushed.Add(1)
		return err
	}
	attrs := []slog.Attr{slog.String("reason", reason), slog.String("remote", c.remote), slog.String("surface", c.surface)}
	if found != nil && found.found {
		attrs = append(attrs, slog.String("token_id", found.token.ID), slog.String("principal", found.token.Principal))
	}
	if n := a.hushed.Swap(0); n > 0 {
		attrs = append(attrs, slog.Int64("not_logged_before", n))
	}
	if !fault.Is(err, fault.Unauthenticated) {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	a.o.Log.LogAttrs(ctx, slog.LevelWarn, "authentication refused", attrs...)
	return err
}
