// Package rest is the platform's own API over HTTP: JSON under /api/slipway/v1 for every public method that has an HTTP
// rule, and bytes for the artifacts of model versions. It is a translation: each request becomes one gRPC call to the
// owner of the method, in the caller's name, through the same table of public methods that the gRPC door uses. Whatever
// fails is answered as one JSON shape, {code, message, reason, request_id}.
package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/identity"
	"github.com/slipway-ai/slipway/services/gateway/internal/surface"
)

// Prefix is where the API lies.
const Prefix = "/api/slipway/v1/"

// bodyWithin is how long a JSON body may take to arrive, and how long a client may leave a stream of bytes waiting.
const bodyWithin = time.Minute

// Options of the API.
type Options struct {
	Surface *surface.Surface
	// Owners are connections to the services that own the methods, by name.
	Owners       map[string]grpc.ClientConnInterface
	Authenticate func(r *http.Request) (auth.Principal, error)
	// MaxBody is the largest JSON body taken, in bytes.
	MaxBody int64
	// MaxArtifact is the largest file taken, in bytes; 0 leaves it to the registry.
	MaxArtifact int64
	// Deadline of a call; bytes of artifacts have none.
	Deadline time.Duration
}

// API is the handler of everything under Prefix.
type API struct {
	o         Options
	mux       *runtime.ServeMux
	artifacts registryv1.ArtifactServiceClient
}

// New builds the API.
func New(ctx context.Context, o Options) (*API, error) {
	a := &API{o: o, mux: runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, marshaler()),
		runtime.WithErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
			Error(w, r, translated(err))
		}),
		runtime.WithRoutingErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, status int) {
			Error(w, r, noRoute(r, status))
		}),
		// Headers are not metadata here: what an owner must know travels in the context.
		runtime.WithIncomingHeaderMatcher(nothing), runtime.WithOutgoingHeaderMatcher(nothing), runtime.WithOutgoingTrailerMatcher(nothing),
	)}
	for _, svc := range o.Surface.Services() {
		conn := guard{surface: o.Surface, owner: o.Owners[svc.Owner], service: svc.Owner}
		if svc.Desc.ServiceName == registryv1.ArtifactService_ServiceDesc.ServiceName {
			a.artifacts = registryv1.NewArtifactServiceClient(conn)
		}
		if svc.REST == nil {
			continue
		}
		if err := svc.REST(ctx, a.mux, conn); err != nil {
			return nil, fault.Wrap("rest.New", fault.Internal, err, "the rules of %s cannot be registered", svc.Desc.ServiceName)
		}
	}
	return a, nil
}

func nothing(string) (string, bool) { return "", false }

// marshaler writes every field, so that a reader sees what there is, and refuses fields it does not know, so that a
// writer's typing error is found.
func marshaler() runtime.Marshaler {
	return &runtime.JSONPb{
		MarshalOptions:   protojson.MarshalOptions{EmitUnpopulated: true},
		UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: false},
	}
}

// ServeHTTP authenticates, then translates.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, err := a.o.Authenticate(r)
	if err != nil {
		Error(w, r, err)
		return
	}
	NotePrincipal(r.Context(), p)
	r = stripped(r.WithContext(auth.With(r.Context(), p)))
	if file, ok := artifactOf(r.URL.EscapedPath()); ok {
		a.artifact(w, r, file)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.o.Deadline)
	defer cancel()
	r = r.WithContext(ctx)
	if err := a.readBody(w, r); err != nil {
		Error(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	a.mux.ServeHTTP(w, r)
}

// stripped is the request without its credentials: they end here.
func stripped(r *http.Request) *http.Request {
	header := r.Header.Clone()
	for _, h := range identity.Headers {
		header.Del(h)
	}
	header.Del("Cookie")
	r.Header = header
	return r
}

// readBody takes the whole body, so that one too large is refused as that, and not as JSON that ends too early.
func (a *API) readBody(w http.ResponseWriter, r *http.Request) error {
	const op = "rest.readBody"
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return fault.New(op, fault.Invalid, "the body must not be encoded; send it without Content-Encoding").WithReason("CONTENT_ENCODING_UNSUPPORTED")
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	large := fault.New(op, fault.TooLarge, "the body is larger than %d bytes", a.o.MaxBody).WithReason("BODY_TOO_LARGE")
	if r.ContentLength > a.o.MaxBody {
		return large
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyWithin)) // a writer that cannot is a test's
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.o.MaxBody))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return large
	case err != nil:
		return fault.Wrap(op, bodyKind(r, err), err, "the body did not arrive whole").WithReason("BODY_INCOMPLETE")
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// bodyKind tells a client that went away from one that sent too little.
func bodyKind(r *http.Request, err error) fault.Kind {
	if r.Context().Err() != nil || errors.Is(err, context.Canceled) {
		return fault.Canceled
	}
	return fault.Invalid
}

// noRoute is what is said of a path or a method that no rule is on.
func noRoute(r *http.Request, status int) error {
	const op = "rest.route"
	switch status {
	case http.StatusMethodNotAllowed:
		return MethodNotAllowed(r.Method)
	case http.StatusBadRequest:
		return fault.New(op, fault.Invalid, "the path is malformed").WithReason("PATH_MALFORMED")
	}
	return NotFound()
}
