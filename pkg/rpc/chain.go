package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
)

// call is what the links of a chain tell each other about one call.
type call struct {
	method    string // "/pkg.Service/Method"
	stream    bool
	start     time.Time
	principal auth.Principal
	cause     error // the error before fault turned it into a status: for the log
	header    func(key, value string)
}

// interceptor is one link: something done around a call, or with each message that arrives, or both. A unary call is a
// call with one message.
type interceptor struct {
	name    string
	around  func(ctx context.Context, c *call, next func(context.Context) error) error
	message func(ctx context.Context, msg any) error
}

// chain is a list of interceptors with two doors, one for unary calls and one for streams.
type chain []interceptor

// newChain is the one list. The package comment argues for its order.
func newChain(o ServerOptions) (chain, error) {
	m, err := newMetrics(o)
	if err != nil {
		return nil, err
	}
	v, err := validate()
	if err != nil {
		return nil, err
	}
	return chain{
		requestID(o.IDs),
		m.interceptor(),
		logCalls(o.Log),
		faults(),
		recoverPanics(m),
		identify(o),
		limit(o.Limit),
		v,
		deadline(o.Deadline, o.Drain),
	}, nil
}

// names of the links, outermost first.
func (ch chain) names() []string {
	names := make([]string, len(ch))
	for i, link := range ch {
		names[i] = link.name
	}
	return names
}

func (ch chain) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	c := &call{method: info.FullMethod, start: time.Now(), header: unaryHeader(ctx)}
	err = ch.run(ctx, c, true, req, func(ctx context.Context) (err error) {
		resp, err = handler(ctx, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func (ch chain) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	c := &call{method: info.FullMethod, stream: true, start: time.Now(), header: streamHeader(ss)}
	return ch.run(ss.Context(), c, false, nil, func(ctx context.Context) error {
		return handler(srv, &serverStream{ServerStream: ss, ctx: ctx, chain: ch})
	})
}

// run nests the links around the handler. The message of a unary call is shown to each link in its own place, so that
// validation of a request comes after authentication; a stream shows its messages as they come.
func (ch chain) run(ctx context.Context, c *call, hasMessage bool, msg any, handler func(context.Context) error) error {
	if len(ch) == 0 {
		return handler(ctx)
	}
	link, rest := ch[0], ch[1:]
	next := func(ctx context.Context) error {
		if hasMessage && link.message != nil {
			if err := link.message(ctx, msg); err != nil {
				return err
			}
		}
		return rest.run(ctx, c, hasMessage, msg, handler)
	}
	if link.around == nil {
		return next(ctx)
	}
	return link.around(ctx, c, next)
}

// serverStream shows every received message to the chain, and speaks fault instead of status.
type serverStream struct {
	grpc.ServerStream
	ctx   context.Context
	chain chain
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return ownStatus(err)
	}
	for _, link := range s.chain {
		if link.message == nil {
			continue
		}
		if err := link.message(s.ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *serverStream) SendMsg(m any) error { return ownStatus(s.ServerStream.SendMsg(m)) }
