// Package restconn lets generated gRPC clients speak REST. A Conn is a grpc.ClientConnInterface that turns a unary call
// into the HTTP request its google.api.http annotation describes, so the command line needs one address (SLIPWAY_URL),
// passes every proxy, and shows users on every call that REST and gRPC are the same API.
package restconn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Conn is one platform and one bearer token.
type Conn struct {
	base  string
	token config.Secret
	http  *http.Client
}

var _ grpc.ClientConnInterface = (*Conn)(nil)

// New connects to the platform at base, e.g. `http://127.0.0.1:8080`. Nothing is sent yet.
func New(base string, token config.Secret, client *http.Client) *Conn {
	return &Conn{base: strings.TrimRight(base, "/"), token: token, http: client}
}

// Invoke sends one unary call. An error answer is a *fault.Error with the platform's kind, text and reason.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	in, out := args.(proto.Message), reply.(proto.Message)
	rule, err := lookup(method)
	if err != nil {
		return err
	}
	verb, target, body, err := rule.request(in)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	answer, err := c.Do(ctx, verb, target, "application/json", body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fault.Wrap(method, fault.Unavailable, err, "the platform's answer ended early")
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, out); err != nil {
		return fault.Wrap(method, fault.Internal, err, "the platform's answer is not what %s promises; is %s a Slipway platform of this version?", method, c.base)
	}
	return nil
}

// NewStream is not part of REST: bytes and tables move by other ways (artifact upload, gRPC).
func (c *Conn) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, fault.New(method, fault.Unimplemented, "%s streams; call it over gRPC", method)
}

// Do sends any request with the token and returns the answer when its status is 2xx; the caller closes its body. Other
// statuses come back as *fault.Error.
func (c *Conn) Do(ctx context.Context, verb, target, contentType string, body io.Reader) (*http.Response, error) {
	return c.DoHeader(ctx, verb, target, http.Header{"Content-Type": {contentType}}, -1, body)
}

// DoHeader is Do with headers and, when size is not negative, a content length.
func (c *Conn) DoHeader(ctx context.Context, verb, target string, header http.Header, size int64, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, verb, c.base+target, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", verb, target, err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if size >= 0 {
		req.ContentLength = size
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	answer, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, fault.Wrap("rest", fault.Unavailable, err, "no platform answers at %s; start one with `slipway up`, or set SLIPWAY_URL", c.base)
	}
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return answer, nil
	}
	defer answer.Body.Close()
	return nil, decodeError(answer)
}

// errorBody is how the platform tells errors over REST; OpenAI's shape occurs on the model surfaces.
type errorBody struct {
	Message   string          `json:"message"`
	Reason    string          `json:"reason"`
	RequestID string          `json:"request_id"`
	Error     json.RawMessage `json:"error"`
}

func decodeError(answer *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		raw = nil
	}
	var body errorBody
	if json.Unmarshal(raw, &body) != nil || body.Message == "" {
		var nested struct {
			Message string `json:"message"`
			Code    string `json:"code"`
		}
		if json.Unmarshal(body.Error, &nested) == nil && nested.Message != "" {
			body.Message, body.Reason = nested.Message, strings.ToUpper(nested.Code)
		} else {
			body.Message = strings.TrimSpace(string(bytes.ToValidUTF8(raw, []byte("?"))))
		}
	}
	if body.Message == "" {
		body.Message = answer.Status
	}
	if body.RequestID == "" {
		body.RequestID = answer.Header.Get("x-request-id")
	}
	e := fault.New("rest", kindOf(answer.StatusCode), "%s", body.Message)
	if body.Reason != "" {
		e = e.WithReason(body.Reason)
	}
	return e
}

func kindOf(status int) fault.Kind {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return fault.Invalid
	case http.StatusUnauthorized:
		return fault.Unauthenticated
	case http.StatusForbidden:
		return fault.PermissionDenied
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusConflict:
		return fault.AlreadyExists
	case http.StatusPreconditionFailed:
		return fault.FailedPrecondition
	case http.StatusRequestEntityTooLarge:
		return fault.TooLarge
	case http.StatusTooManyRequests:
		return fault.ResourceExhausted
	case http.StatusNotImplemented:
		return fault.Unimplemented
	case http.StatusServiceUnavailable, http.StatusBadGateway:
		return fault.Unavailable
	case http.StatusGatewayTimeout:
		return fault.DeadlineExceeded
	}
	return fault.Internal
}
