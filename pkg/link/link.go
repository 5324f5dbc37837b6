// Package link turns addresses into connections, so that where a service lives is a line of configuration and not a code
// path. "inproc:registry" is a pipe inside this process, "unix:/run/x.sock" a socket on this machine, "host:port" TCP,
// and whatever else gRPC can resolve ("dns:///registry:9090", "xds:///registry") may be dialled too. All of them carry
// the same gRPC: one process runs the very code that a mesh runs.
package link

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"

	"github.com/slipway-ai/slipway/pkg/fault"
)

const (
	inprocPrefix = "inproc:"
	unixPrefix   = "unix:"

	pipeBytes = 256 << 10 // each way of an in-process connection; touched only as far as it is filled
)

// Network is the set of in-process listeners of one process, and the way out of it. Two networks in one process know
// nothing of each other, which is how tests run whole platforms side by side.
type Network struct {
	mu    sync.Mutex
	pipes map[string]*pipe
}

// NewNetwork is a network without listeners.
func NewNetwork() *Network { return &Network{pipes: make(map[string]*pipe)} }

// Listen opens an address for a gRPC server, and returns the credentials that the server must use on it. "host:0" takes
// a free port. TLS applies to host:port; the other two need none, because nobody else can reach them.
func (n *Network) Listen(addr string, t TLS) (net.Listener, credentials.TransportCredentials, error) {
	switch {
	case strings.HasPrefix(addr, inprocPrefix):
		l, err := n.listenPipe(strings.TrimPrefix(addr, inprocPrefix))
		return l, localCredentials{}, err
	case strings.HasPrefix(addr, unixPrefix):
		l, err := listenUnix(unixPath(addr))
		return l, localCredentials{}, err
	case strings.Contains(addr, "://"):
		return nil, nil, fault.New("link.Listen", fault.Invalid, "cannot listen on %q: want inproc:NAME, unix:/path or host:port", addr)
	}
	creds, err := t.server()
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, fault.Wrap("link.Listen", fault.Unavailable, err, "cannot listen on %s", addr)
	}
	return l, creds, nil
}

// Dial is a connection to an address, made when it is first used and made again when it breaks. A listener need not be
// there yet: until it is, calls fail with Unavailable, in one process just as over a network.
func (n *Network) Dial(addr string, t TLS, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	target, own, err := n.way(addr, t)
	if err != nil {
		return nil, err
	}
	own = append(own, grpc.WithConnectParams(grpc.ConnectParams{
		// Services of one platform restart often and are near: come back quickly, and not all at once.
		Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
		MinConnectTimeout: 5 * time.Second,
	}))
	cc, err := grpc.NewClient(target, append(own, opts...)...)
	if err != nil {
		return nil, fault.Wrap("link.Dial", fault.Invalid, err, "cannot dial %q", addr)
	}
	return cc, nil
}

func (n *Network) way(addr string, t TLS) (target string, opts []grpc.DialOption, err error) {
	if name, ok := strings.CutPrefix(addr, inprocPrefix); ok {
		dial := func(ctx context.Context, _ string) (net.Conn, error) { return n.dialPipe(ctx, name) }
		return "passthrough:///" + name, []grpc.DialOption{grpc.WithContextDialer(dial), grpc.WithTransportCredentials(localCredentials{})}, nil
	}
	if strings.HasPrefix(addr, unixPrefix) {
		return "unix:" + unixPath(addr), []grpc.DialOption{grpc.WithTransportCredentials(localCredentials{})}, nil
	}
	if addr == "" {
		return "", nil, fault.New("link.Dial", fault.Invalid, "no address to dial")
	}
	creds, err := t.client()
	if err != nil {
		return "", nil, err
	}
	return addr, []grpc.DialOption{grpc.WithTransportCredentials(creds)}, nil
}

// pipe is an in-process listener; closing it frees its name.
type pipe struct {
	*bufconn.Listener
	leave func()
}

func (p *pipe) Close() error {
	p.leave()
	return p.Listener.Close()
}

func (n *Network) listenPipe(name string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if name == "" {
		return nil, fault.New("link.Listen", fault.Invalid, "an inproc: address needs a name")
	}
	if _, taken := n.pipes[name]; taken {
		return nil, fault.New("link.Listen", fault.AlreadyExists, "inproc:%s is taken", name)
	}
	p := &pipe{Listener: bufconn.Listen(pipeBytes)}
	p.leave = func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.pipes[name] == p {
			delete(n.pipes, name)
		}
	}
	n.pipes[name] = p
	return p, nil
}

func (n *Network) dialPipe(ctx context.Context, name string) (net.Conn, error) {
	n.mu.Lock()
	p, ok := n.pipes[name]
	n.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("inproc:%s: nobody listens", name)
	}
	return p.DialContext(ctx)
}

func unixPath(addr string) string {
	return strings.TrimPrefix(strings.TrimPrefix(addr, unixPrefix), "//") // unix:///path is unix:/path
}

// listenUnix opens a socket for its owner alone. A socket left by a process that died is removed; one that answers is not.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		c, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			_ = c.Close()
			return nil, fault.New("link.Listen", fault.AlreadyExists, "unix:%s is taken", path)
		}
		_ = os.Remove(path)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fault.Wrap("link.Listen", fault.Unavailable, err, "cannot listen on unix:%s", path)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fault.Wrap("link.Listen", fault.Unavailable, err, "cannot listen on unix:%s", path)
	}
	return l, nil
}
