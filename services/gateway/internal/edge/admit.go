package edge

import (
	"errors"
	"io"
	"net/http"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/dialect"
)

// admit takes a request up to its BEGIN in the log. An error refuses it.
func (x *exchange) admit() error {
	if x.r.Method != http.MethodPost {
		return errMethod
	}
	if err := x.authenticate(); err != nil {
		return err
	}
	if !x.quota.Allowed && (x.r.ContentLength < 0 || x.r.ContentLength > smallBody) {
		return x.limited()
	}
	if err := x.readBody(); err != nil {
		return err
	}
	if err := x.read(); err != nil {
		return err
	}
	if err := x.resolve(); err != nil {
		return err
	}
	if !x.quota.Allowed {
		return x.limited()
	}
	if err := x.Access.MayQuery(x.ctx, x.principal, x.endpoint.Name); err != nil {
		if fault.Is(err, fault.NotFound) {
			return noSuchEndpoint(x.endpoint.Name) // in the very words for one that is not there
		}
		return err
	}
	if err := x.pick(); err != nil {
		return err
	}
	return x.begin()
}

// smallBody is what is read of a request that will be refused anyway, so that its row can say what it was for.
const smallBody = 64 << 10

func (x *exchange) authenticate() error {
	var err error
	if x.principal, err = x.Auth.Authenticate(x.r); err != nil {
		x.endpoint = x.Routes.Table().Endpoint(x.to.endpoint)
		return err
	}
	x.known = true
	x.quota = x.Limits.Admit(x.principal)
	return nil
}

func (x *exchange) limited() error {
	return fault.New("edge.admit", fault.ResourceExhausted, "the limit of %d requests is reached; try again in %s", x.quota.Limit, x.quota.RetryAfter).
		WithReason("RATE_LIMITED").WithRetryAfter(x.quota.RetryAfter)
}

// readBody reads the whole body, up to the cap.
func (x *exchange) readBody() error {
	x.size = max(x.r.ContentLength, 0)
	if x.r.ContentLength > int64(x.Settings.MaxBody) {
		return x.tooLarge()
	}
	b := sized(x.buf.body, int(x.size)+1) // one more byte, so that the end is seen without growing
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := x.r.Body.Read(b[len(b):min(cap(b), x.Settings.MaxBody+1)])
		b = b[:len(b)+n]
		x.buf.body, x.body = b, b
		x.size = max(x.size, int64(len(b)))
		switch {
		case len(b) > x.Settings.MaxBody:
			return x.tooLarge()
		case errors.Is(err, io.EOF):
			x.size = int64(len(b))
			return nil
		case err != nil:
			return fault.Wrap("edge.readBody", fault.Canceled, err, "the body could not be read to its end")
		}
	}
}

// sized is an empty buffer with room for n bytes, b if that will do.
func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, 0, max(n, 8<<10))
	}
	return b[:0]
}

func (x *exchange) tooLarge() error {
	x.w.Header()["Connection"] = []string{"close"} // the rest of the body is not worth reading
	return fault.New("edge.readBody", fault.TooLarge, "the body is larger than %d bytes", x.Settings.MaxBody).WithReason("BODY_TOO_LARGE")
}

// read scans the body and takes from it what admission needs.
func (x *exchange) read() error {
	if err := x.req.Scan(x.body); err != nil {
		return err
	}
	var err error
	if x.stream, x.wantUsage, err = x.req.Stream(); err != nil {
		return err
	}
	if x.model, err = x.req.Model(); err != nil {
		return err
	}
	if x.clientID == "" {
		if x.clientID, err = x.req.Str(dialect.FieldClientRequestID); err != nil {
			return err
		}
		x.clientID = clip(x.clientID)
	}
	if x.to.task == taskInvoke {
		switch {
		case x.req.Has(dialect.FieldMessages):
			x.to.task = taskChat
		case x.req.Has(dialect.FieldInput):
			x.to.task = taskEmbed
		default:
			return fault.New("edge.read", fault.Invalid, "the body must hold messages, for an answer, or input, for embeddings").WithReason("MISSING_PARAMETER")
		}
	}
	if x.to.task == taskEmbed {
		x.stream = false
	}
	return nil
}

// resolve finds the endpoint: the path's, or the body's model.
func (x *exchange) resolve() error {
	name := x.to.endpoint
	if name == "" {
		name = x.model
	}
	if name == "" {
		return &dialect.ParamError{Param: "model", Fault: fault.New("edge.resolve", fault.Invalid, "model is required").WithReason("MISSING_PARAMETER")}
	}
	x.table = x.Routes.Table()
	if x.endpoint = x.table.Endpoint(name); x.endpoint == nil {
		return noSuchEndpoint(name)
	}
	if x.model == "" {
		x.model = name
	}
	return nil
}

// noSuchEndpoint says the same of an endpoint that does not exist and of one that the caller may not know.
func noSuchEndpoint(name string) error {
	return &dialect.ParamError{Param: "model", Fault: fault.New("edge.resolve", fault.NotFound,
		"the model %q does not exist or you do not have access to it", clip(name)).WithReason("MODEL_NOT_FOUND")}
}

// pick chooses the served entity.
func (x *exchange) pick() error {
	x.named = x.to.entity
	if x.named == "" {
		x.named = x.header(entityHeaders)
	}
	if x.unit = x.req.Unit(); x.unit == "" {
		x.unit = x.session
	}
	return x.repick()
}

// repick chooses by the present table; the unit, and so the choice where nothing has changed, stays.
func (x *exchange) repick() error {
	if x.named != "" {
		if x.entity = x.endpoint.Entity(x.named); x.entity == nil {
			return fault.New("edge.pick", fault.NotFound, "the endpoint %s has no served entity %q", x.endpoint.Name, clip(x.named)).WithReason("ENTITY_NOT_FOUND")
		}
	} else if x.unit != "" {
		x.entity, x.bucket = x.endpoint.Pick(x.unit)
	} else {
		x.entity, _ = x.endpoint.Pick(x.id)
	}
	if x.entity == nil {
		return fault.New("edge.pick", fault.Unavailable, "the endpoint %s has no traffic configured", x.endpoint.Name).WithReason("NO_TRAFFIC")
	}
	if external := x.entity.External; external != nil && external.Task != "" && external.Task != x.taskName() {
		return fault.New("edge.pick", fault.Invalid, "the endpoint %s answers %s, not %s", x.endpoint.Name, external.Task, x.taskName()).WithReason("WRONG_TASK")
	}
	if x.entity.PromptVersion != "" && x.to.task == taskEmbed {
		return fault.New("edge.pick", fault.Invalid, "the endpoint %s answers chat, not embeddings", x.endpoint.Name).WithReason("WRONG_TASK")
	}
	return nil
}

func (x *exchange) taskName() string {
	switch x.to.task {
	case taskChat:
		return "chat"
	case taskEmbed:
		return "embeddings"
	case taskNone, taskInvoke, taskModels:
	}
	return ""
}
