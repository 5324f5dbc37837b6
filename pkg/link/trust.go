package link

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// Local is what is known about the other end of an in-process pipe or a unix socket.
type Local struct {
	credentials.CommonAuthInfo
	Same bool // the other end is this very process or one of the same user
}

// AuthType names the mechanism.
func (Local) AuthType() string { return "local" }

// Trusted reports whether the peer of a call has been verified to belong to the platform: it is in this process, it is a
// process of the same user on the other end of a unix socket, or it showed a certificate that our authority issued. Only
// such a peer may say on whose behalf it calls.
func Trusted(ctx context.Context) bool {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return false
	}
	switch info := p.AuthInfo.(type) {
	case Local:
		return info.Same
	case credentials.TLSInfo:
		return len(info.State.VerifiedChains) > 0
	}
	return false
}

// localCredentials do no handshake: the operating system already says who is at the other end.
type localCredentials struct{}

func (localCredentials) ClientHandshake(_ context.Context, _ string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c, localInfo(c), nil
}

func (localCredentials) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c, localInfo(c), nil
}

func (localCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "local"}
}

func (localCredentials) Clone() credentials.TransportCredentials { return localCredentials{} }

func (localCredentials) OverrideServerName(string) error { return nil }

func localInfo(c net.Conn) Local {
	info := Local{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}
	if u, ok := c.(*net.UnixConn); ok {
		info.Same = sameUser(u)
	} else {
		info.Same = c.LocalAddr().Network() == "bufconn"
	}
	return info
}
