package front

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/rest"
)

// localOnly guards a port that asks for no token. It listens on loopback, so only programs of this machine reach it; but a
// browser is one of them, and it runs what strange pages tell it. A page that has its own name resolve to this machine is
// known by that name in the Host header; a page that posts across origins is known by what browsers say of it.
func localOnly(m *manners, next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	refuse := m.wrap("none", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest.Error(w, r, fault.New("front.local", fault.PermissionDenied, "without tokens only this machine's own programs may call").WithReason("FOREIGN_ORIGIN"))
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Loopback(r.Host) || origin.Check(r) != nil || r.Header.Get("Sec-Fetch-Site") == "cross-site" {
			refuse.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Loopback reports whether a host, with or without a port, is this machine as it speaks to itself.
func Loopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
