package rest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/auth"
)

const models = "/api/slipway/v1/models"

func TestARequestBecomesACallInItsCallersName(t *testing.T) {
	t.Parallel()
	g := open(t)
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	forged := auth.Encode(auth.Principal{Name: "root", Kind: auth.Internal})
	a := g.call(t, "ana", http.MethodGet, models+"/a.b.c", nil,
		"X-Request-Id", "req-1", "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01", "Cookie", "session=1", "X-Api-Key", "other",
		"Slipway-Principal", forged, "X-Slipway-Principal", forged, "Grpc-Metadata-Slipway-Principal", forged, "Grpc-Metadata-Authorization", "Bearer x")
	require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
	require.Equal(t, "req-1", a.Header.Get("X-Request-Id"))
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	var got map[string]map[string]any
	require.NoError(t, json.Unmarshal(a.body, &got))
	require.Equal(t, "a.b.c", got["model"]["fullName"])
	require.Equal(t, "1152921504606846976", got["model"]["latestVersion"], "64 bits are text in JSON")
	require.Contains(t, got["model"], "comment", "empty fields are there too")

	s := g.registry.seen.Wait(t)
	require.Equal(t, who["ana"], s.principal)
	require.Equal(t, "req-1", s.requestID)
	require.Equal(t, trace, s.traceID)
	for key, values := range s.md {
		require.NotContains(t, strings.Join(values, " "), "Bearer", key)
		require.NotContains(t, values, "other", key)
		require.NotContains(t, values, "session=1", key)
	}
	require.Len(t, s.md.Get(auth.MetadataKey), 1)
}

func TestABodyBecomesAMessage(t *testing.T) {
	t.Parallel()
	g := open(t)
	for _, body := range []string{
		`{"fullName":"a.b.c","comment":"日本 🚢","tags":{"k":"v"}}`, `{"full_name":"a.b.c","comment":"日本 🚢","tags":{"k":"v"}}`,
	} {
		a := g.call(t, "ana", http.MethodPost, models, strings.NewReader(body))
		require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
		var got struct {
			Model struct {
				FullName, Comment string
				Tags              map[string]string
			}
		}
		require.NoError(t, json.Unmarshal(a.body, &got))
		require.Equal(t, "日本 🚢", got.Model.Comment)
		require.Equal(t, "v", got.Model.Tags["k"])
	}
}

// chunked hides a body's length.
type chunked struct{ io.Reader }

func TestEveryErrorHasOneShape(t *testing.T) {
	t.Parallel()
	g := open(t)
	large := `{"fullName":"a.b.c","comment":"` + strings.Repeat("x", maxBody) + `"}`
	cases := map[string]struct {
		token, method, path string
		body                io.Reader
		headers             []string
		status              int
		code, reason        string
	}{
		"no token":            {"", "GET", models + "/a.b.c", nil, nil, 401, "UNAUTHENTICATED", "CREDENTIAL_MISSING"},
		"no token, no path":   {"", "GET", "/api/slipway/v1/nothing", nil, nil, 401, "UNAUTHENTICATED", "CREDENTIAL_MISSING"},
		"a token for reading": {"reader", "POST", models, strings.NewReader(`{"fullName":"a.b.c"}`), nil, 403, "PERMISSION_DENIED", "SCOPE_MISSING"},
		"a token for models":  {"model", "GET", models + "/a.b.c", nil, nil, 403, "PERMISSION_DENIED", "SCOPE_MISSING"},
		"a missing thing":     {"reader", "GET", models + "/no.such.model", nil, nil, 404, "NOT_FOUND", "MODEL_NOT_FOUND"},
		"a wrong state":       {"ana", "GET", models + "/in.the.way", nil, nil, 409, "FAILED_PRECONDITION", "FAILED_PRECONDITION"},
		"too many calls":      {"ana", "GET", models + "/too.many.calls", nil, nil, 429, "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"},
		"a broken owner":      {"ana", "GET", models + "/broken.by.us", nil, nil, 500, "INTERNAL", "INTERNAL"},
		"a panicking owner":   {"ana", "GET", models + "/panics.over.there", nil, nil, 500, "INTERNAL", "INTERNAL"},
		"an absent owner":     {"ana", "GET", "/api/slipway/v1/alerts", nil, nil, 503, "UNAVAILABLE", "SERVICE_ABSENT"},
		"an unwritten method": {"ana", "GET", models, nil, nil, 501, "UNIMPLEMENTED", "UNIMPLEMENTED"},
		"an unknown path":     {"ana", "GET", "/api/slipway/v1/nothing", nil, nil, 404, "NOT_FOUND", "PATH_NOT_FOUND"},
		"an unclean path":     {"ana", "GET", "/api/slipway/v1/../../etc/passwd", nil, nil, 404, "NOT_FOUND", "PATH_NOT_FOUND"},
		"a wrong method":      {"ana", "DELETE", models, nil, nil, 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"},
		"a broken rule":       {"ana", "GET", models + "/x", nil, nil, 400, "INVALID", "FIELD_INVALID"},
		"a wrong parameter":   {"ana", "GET", models + "?page_size=many", nil, nil, 400, "INVALID", "REQUEST_MALFORMED"},
		"no JSON":             {"ana", "POST", models, strings.NewReader(`{"fullName":`), nil, 400, "INVALID", "REQUEST_MALFORMED"},
		"other JSON":          {"ana", "POST", models, strings.NewReader(`[1,2]`), nil, 400, "INVALID", "REQUEST_MALFORMED"},
		"an unknown field":    {"ana", "POST", models, strings.NewReader(`{"fullName":"a.b.c","colour":"red"}`), nil, 400, "INVALID", "REQUEST_MALFORMED"},
		"a wrong type":        {"ana", "POST", models, strings.NewReader(`{"fullName":7}`), nil, 400, "INVALID", "REQUEST_MALFORMED"},
		"invalid UTF-8":       {"ana", "POST", models, strings.NewReader("{\"fullName\":\"a.b.\xff\xfe\"}"), nil, 400, "INVALID", "REQUEST_MALFORMED"},
		"too large":           {"ana", "POST", models, strings.NewReader(large), nil, 413, "TOO_LARGE", "BODY_TOO_LARGE"},
		"too large, chunked":  {"ana", "POST", models, chunked{strings.NewReader(large)}, nil, 413, "TOO_LARGE", "BODY_TOO_LARGE"},
		"an encoded body":     {"ana", "POST", models, strings.NewReader("x"), []string{"Content-Encoding", "gzip"}, 415, "INVALID", "CONTENT_ENCODING_UNSUPPORTED"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := g.call(t, c.token, c.method, c.path, c.body, c.headers...)
			require.Equal(t, c.status, a.StatusCode, "%s", a.body)
			p := a.problem(t)
			require.Equal(t, c.code, p.Code)
			require.Equal(t, c.reason, p.Reason, p.Message)
			require.NotEmpty(t, p.Message)
			require.NotContains(t, string(a.body), "hunter2")
			require.NotContains(t, string(a.body), "inproc")
			require.Equal(t, c.status == 401, a.Header.Get("WWW-Authenticate") != "")
			if c.status == 429 {
				require.Equal(t, "2", a.Header.Get("Retry-After"))
			}
		})
	}
}

func TestAnErrorNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	g := open(t)
	require.Contains(t, g.call(t, "ana", http.MethodPost, models, strings.NewReader(`{"colour":1}`)).problem(t).Message, "colour")
	require.Contains(t, g.call(t, "ana", http.MethodGet, models+"/x", nil).problem(t).Message, "full_name")
}

func TestAnOwnerThatIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	g := open(t)
	g.stop()
	a := g.call(t, "ana", http.MethodGet, models+"/a.b.c", nil)
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	require.Equal(t, "UNAVAILABLE", a.problem(t).Code)
	require.NotContains(t, string(a.body), "inproc")
}

func TestTheCauseIsInTheLogAndNothingSecretIs(t *testing.T) {
	t.Parallel()
	g := open(t)
	g.call(t, "ana", http.MethodGet, models+"/no.such.model?token=hunter3", nil, "X-Api-Key", "hunter4", "Cookie", "hunter5")
	log := g.log.String()
	require.Contains(t, log, `"principal":"ana"`)
	require.Contains(t, log, "MODEL_NOT_FOUND")
	for _, secret := range []string{"hunter3", "hunter4", "hunter5", "Bearer"} {
		require.NotContains(t, log, secret)
	}
}

func TestTheDescriptionIsTheGeneratedOneAndMore(t *testing.T) {
	t.Parallel()
	g := open(t)
	require.Equal(t, http.StatusUnauthorized, g.call(t, "", http.MethodGet, "/openapi.json", nil).StatusCode)
	a := g.call(t, "reader", http.MethodGet, "/openapi.json", nil)
	require.Equal(t, http.StatusOK, a.StatusCode)
	var doc struct {
		Info        struct{ Title, Version string }
		Paths       map[string]map[string]json.RawMessage
		Definitions map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(a.body, &doc))
	require.Equal(t, "v1.2.3", doc.Info.Version)
	require.Contains(t, doc.Paths, "/api/slipway/v1/models/{model}/versions/{version}/artifacts/{path}")
	require.Contains(t, doc.Paths, "/api/slipway/v1/tokens")
	for _, reference := range bytes.Split(a.body, []byte(`"$ref":"#/definitions/`))[1:] {
		name, _, _ := bytes.Cut(reference, []byte(`"`))
		require.Contains(t, doc.Definitions, string(name))
	}
}
