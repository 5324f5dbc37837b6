package edge

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/services/gateway/internal/limit"
)

// Edge is the handler of the data plane's paths. Make one with New.
type Edge struct {
	Deps
	exchanges sync.Pool // of *exchange
	strangers *limit.Limiter
}

// New returns the handler for /v1/chat/completions, /v1/embeddings, /v1/models[/{id}] and /serving-endpoints/…. It takes the
// path as it stands: no cleaning, no redirect, since official clients follow neither.
func New(d Deps) *Edge {
	d.Settings = d.Settings.complete()
	return &Edge{Deps: d, strangers: limit.New()}
}

// Handles says whether path belongs to the edge, whatever the method.
func (e *Edge) Handles(path string) bool {
	_, ok := match(path)
	return ok
}

// ServeHTTP answers one request.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to, ok := match(r.URL.Path)
	x := e.enter(w, r, to)
	defer e.leave(x)
	switch {
	case !ok:
		x.unknownPath()
	case to.task == taskModels:
		x.guard(x.models)
	default:
		x.guard(x.infer)
	}
}

// task is what is asked for.
type task uint8

const (
	taskNone   task = iota
	taskChat        // an answer to messages
	taskEmbed       // vectors
	taskInvoke      // either, by what the body holds
	taskModels      // the list of endpoints, or one
)

// surface is whose manners the answer has.
type surface uint8

const (
	openAI     surface = iota
	databricks         // errors are {"error_code", "message"}
)

// destination is what a path says.
type destination struct {
	task     task
	surface  surface
	endpoint string // empty: the body's model says it
	entity   string // a served entity asked for by name
	model    string // of /v1/models/{id}
	route    string // method and pattern, which names the span
}

// match reads a path. The names in it are checked against the routing table later, never against a pattern here.
func match(path string) (destination, bool) {
	if rest, ok := strings.CutPrefix(path, "/v1/"); ok {
		return openAIPath(rest, &rootRoutes)
	}
	rest, ok := strings.CutPrefix(path, "/serving-endpoints/")
	if !ok {
		return destination{}, false
	}
	if d, ok := openAIPath(rest, &servingRoutes); ok { // the base URL that Databricks' own helper makes
		return d, true
	}
	name, rest, _ := strings.Cut(rest, "/")
	if name == "" {
		return destination{}, false
	}
	switch {
	case rest == "invocations":
		return destination{task: taskInvoke, surface: databricks, endpoint: name, route: "POST /serving-endpoints/{name}/invocations"}, true
	case strings.HasPrefix(rest, "served-models/") && strings.HasSuffix(rest, "/invocations"):
		entity := strings.TrimSuffix(strings.TrimPrefix(rest, "served-models/"), "/invocations")
		return destination{
			task: taskInvoke, surface: databricks, endpoint: name, entity: entity,
			route: "POST /serving-endpoints/{name}/served-models/{served_model_name}/invocations",
		}, entity != "" && !strings.Contains(entity, "/")
	}
	d, ok := openAIPath(strings.TrimPrefix(rest, "v1/"), &endpointRoutes)
	d.endpoint = name
	return d, ok && d.task != taskModels
}

// openAIRoutes are the names of OpenAI's paths below a prefix.
type openAIRoutes struct{ chat, embeddings, models, model string }

// The prefixes under which OpenAI's paths are found.
var (
	rootRoutes     = openAIRoutes{"POST /v1/chat/completions", "POST /v1/embeddings", "GET /v1/models", "GET /v1/models/{id}"}
	servingRoutes  = openAIRoutes{"POST /serving-endpoints/chat/completions", "POST /serving-endpoints/embeddings", "GET /serving-endpoints/models", "GET /serving-endpoints/models/{id}"}
	endpointRoutes = openAIRoutes{"POST /serving-endpoints/{name}/chat/completions", "POST /serving-endpoints/{name}/embeddings", "GET /serving-endpoints/{name}/models", "GET /serving-endpoints/{name}/models/{id}"}
)

func openAIPath(rest string, routes *openAIRoutes) (destination, bool) {
	switch {
	case rest == "chat/completions":
		return destination{task: taskChat, route: routes.chat}, true
	case rest == "embeddings":
		return destination{task: taskEmbed, route: routes.embeddings}, true
	case rest == "models":
		return destination{task: taskModels, route: routes.models}, true
	case strings.HasPrefix(rest, "models/") && !strings.Contains(rest[len("models/"):], "/"):
		return destination{task: taskModels, model: rest[len("models/"):], route: routes.model}, true
	}
	return destination{}, false
}

// asServer marks a span as a server's.
var asServer = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}

// strangersRate is how many unauthenticated requests become rows: enough to see an attack, too few for the attack to fill the
// log. The others are counted.
var strangersRate = limit.Rate{Requests: 20, Per: time.Second, Burst: 100}
