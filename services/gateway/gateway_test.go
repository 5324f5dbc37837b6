package gateway_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/gateway"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

var (
	allowed = &registryv1.AccessAnswer{Allowed: true, Visible: true}
	visible = &registryv1.AccessAnswer{Visible: true, Reason: "needs EXECUTE on endpoint chat"}
)

func reasonOf(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

func TestTheFirstAdminComesInByBothDoorsAndStaysOverARestart(t *testing.T) {
	t.Parallel()
	p, dir := newPeers(t), t.TempDir()
	h := open(t, p, dir, nil)
	token := h.root(t)
	a := h.call(t, token, http.MethodGet, "/api/slipway/v1/principals/me", "")
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Contains(t, a.body, `"admins"`)
	me, err := gatewayv1.NewPrincipalServiceClient(h.conn).GetPrincipal(as(t, token), &gatewayv1.GetPrincipalRequest{Name: "me"})
	require.NoError(t, err)
	require.Equal(t, "admin", me.GetPrincipal().GetName())
	require.Equal(t, "ui", h.call(t, "", http.MethodGet, "/", "").body)
	h.shut(t)

	again := open(t, p, dir, nil)
	require.Equal(t, token, again.root(t))
	require.Equal(t, http.StatusOK, again.call(t, token, http.MethodGet, "/api/slipway/v1/principals/me", "").status)
}

func TestTheTokenTableHoldsAtEveryDoor(t *testing.T) {
	t.Parallel()
	p := newPeers(t)
	h := open(t, p, t.TempDir(), nil)
	root := h.root(t)
	principals := gatewayv1.NewPrincipalServiceClient(h.conn)
	p.registry.grant("ana", "chat", allowed)
	put := func(name string) *gatewayv1.PutPrincipalRequest { return &gatewayv1.PutPrincipalRequest{Name: name} }

	all, _ := h.principal(t, put("ana"))
	read, _ := h.principal(t, put("ana"), "read")
	model, _ := h.principal(t, put("ana"), "inference")
	revoked, revokedID := h.principal(t, put("bob"))
	disabled, _ := h.principal(t, put("eve"))
	short, err := principals.CreateToken(as(t, root), &gatewayv1.CreateTokenRequest{Lifetime: durationpb.New(time.Microsecond)})
	require.NoError(t, err)
	for _, token := range []string{revoked, disabled} { // they work first, so that memory must forget them
		require.Equal(t, http.StatusOK, h.call(t, token, http.MethodGet, "/api/slipway/v1/catalogs", "").status)
	}
	_, err = principals.RevokeToken(as(t, root), &gatewayv1.RevokeTokenRequest{TokenId: revokedID})
	require.NoError(t, err)
	_, err = principals.PutPrincipal(as(t, root), &gatewayv1.PutPrincipalRequest{Name: "eve", Disabled: true})
	require.NoError(t, err)

	catalogs := registryv1.NewCatalogServiceClient(h.conn)
	for name, c := range map[string]struct {
		token             string
		look, change, ask int    // HTTP statuses of looking, changing, and asking a model
		reason            string // of the first that is refused
	}{
		"none":            {"", 401, 401, 401, "CREDENTIAL_MISSING"},
		"malformed":       {"hunter2", 401, 401, 401, "TOKEN_MALFORMED"},
		"a digit wrong":   {all[:len(all)-1] + "_", 401, 401, 401, "TOKEN_MALFORMED"},
		"unknown":         {domain.NewTokenText(), 401, 401, 401, "TOKEN_UNKNOWN"},
		"expired":         {short.GetSecret(), 401, 401, 401, "TOKEN_EXPIRED"},
		"revoked":         {revoked, 401, 401, 401, "TOKEN_REVOKED"},
		"disabled":        {disabled, 401, 401, 401, "PRINCIPAL_DISABLED"},
		"for reading":     {read, 200, 403, 403, "SCOPE_MISSING"},
		"for models":      {model, 403, 403, 200, "SCOPE_MISSING"},
		"for everything":  {all, 200, 200, 200, ""},
		"the first admin": {root, 200, 200, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := h.call(t, c.token, http.MethodGet, "/api/slipway/v1/catalogs", "")
			require.Equal(t, c.look, a.status, a.body)
			b := h.call(t, c.token, http.MethodPost, "/api/slipway/v1/catalogs", `{"name":"main"}`)
			require.Equal(t, c.change, b.status, b.body)
			m := h.call(t, c.token, http.MethodPost, "/v1/chat/completions", question)
			require.Equal(t, c.ask, m.status, m.body)
			_, looked := catalogs.ListCatalogs(as(t, c.token), &registryv1.ListCatalogsRequest{})
			_, changed := catalogs.CreateCatalog(as(t, c.token), &registryv1.CreateCatalogRequest{Name: "main"})
			want := map[int]codes.Code{200: codes.OK, 401: codes.Unauthenticated, 403: codes.PermissionDenied}
			require.Equal(t, want[c.look], status.Code(looked), "%v", looked)
			require.Equal(t, want[c.change], status.Code(changed), "%v", changed)
			if c.reason != "" {
				require.Equal(t, c.reason, b.reason(t))
				require.Equal(t, c.reason, reasonOf(changed))
			}
			if c.token != "" && c.look != 200 {
				for _, text := range []string{a.body, b.body, m.body, status.Convert(looked).String(), status.Convert(changed).String()} {
					require.NotContains(t, text, c.token)
				}
			}
		})
	}
}

func TestATokenForReadingSeesWhichModelsThereAre(t *testing.T) {
	t.Parallel()
	p := newPeers(t)
	h := open(t, p, t.TempDir(), nil)
	p.registry.grant("ana", "chat", allowed)
	read, _ := h.principal(t, &gatewayv1.PutPrincipalRequest{Name: "ana"}, "read")
	a := h.call(t, read, http.MethodGet, "/v1/models", "")
	require.Equal(t, http.StatusOK, a.status)
	require.Contains(t, a.body, `"chat"`)
	other, _ := h.principal(t, &gatewayv1.PutPrincipalRequest{Name: "bob"})
	require.NotContains(t, h.call(t, other, http.MethodGet, "/v1/models", "").body, `"chat"`)
}

func TestARequestIsAnsweredLimitedLoggedAndShipped(t *testing.T) {
	t.Parallel()
	p := newPeers(t)
	h := open(t, p, t.TempDir(), nil)
	p.registry.grant("ana", "chat", allowed)
	p.registry.grant("bob", "chat", visible)
	ana, _ := h.principal(t, &gatewayv1.PutPrincipalRequest{Name: "ana", RequestsPerMinute: 2}, "inference")
	bob, _ := h.principal(t, &gatewayv1.PutPrincipalRequest{Name: "bob"})
	eve, _ := h.principal(t, &gatewayv1.PutPrincipalRequest{Name: "eve"})

	a := h.call(t, ana, http.MethodPost, "/v1/chat/completions", question)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Contains(t, a.body, "hello world")
	require.Equal(t, "tiny", a.header.Get("X-Slipway-Served-Entity"))
	b := h.call(t, bob, http.MethodPost, "/v1/chat/completions", question)
	require.Equal(t, http.StatusForbidden, b.status, b.body)
	e := h.call(t, eve, http.MethodPost, "/v1/chat/completions", question)
	require.Equal(t, http.StatusNotFound, e.status, e.body)
	require.Equal(t, http.StatusOK, h.call(t, ana, http.MethodPost, "/v1/chat/completions", question).status)
	over := h.call(t, ana, http.MethodPost, "/v1/chat/completions", question)
	require.Equal(t, http.StatusTooManyRequests, over.status, over.body)

	log := gatewayv1.NewRequestLogServiceClient(h.conn)
	var st *gatewayv1.GetRequestLogStatusResponse
	testkit.Eventually(t, testkit.Patience, func() bool {
		var err error
		st, err = log.GetRequestLogStatus(as(t, h.root(t)), &gatewayv1.GetRequestLogStatusRequest{})
		return err == nil && st.GetAcknowledged() == 5
	}, "five rows are with the monitor")
	require.Equal(t, st.GetAdmitted(), st.GetAcknowledged()+st.GetInFlight()+st.GetPending())
	require.NotEmpty(t, st.GetSourceId())
	var statuses []int32
	for _, row := range p.monitor.all() {
		statuses = append(statuses, row.GetStatusCode())
	}
	require.Equal(t, []int32{200, 403, 404, 200, 429}, statuses)
	_, err := log.GetRequestLogStatus(as(t, bob), &gatewayv1.GetRequestLogStatusRequest{})
	require.Equal(t, codes.PermissionDenied, status.Code(err))
}

func TestAGrantThatIsTakenIsFeltAtOnce(t *testing.T) {
	t.Parallel()
	p := newPeers(t)
	h := open(t, p, t.TempDir(), nil)
	p.registry.grant("ana", "chat", allowed)
	ana, _ := h.principal(t, &gatewayv1.PutPrincipalRequest{Name: "ana"})
	require.Equal(t, http.StatusOK, h.call(t, ana, http.MethodPost, "/v1/chat/completions", question).status)
	p.registry.grant("ana", "chat", visible)
	p.registry.events <- &registryv1.Event{Position: 1, Kind: registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, EntityType: "endpoint", FullName: "chat"}
	testkit.Eventually(t, 5*time.Second, func() bool { // half of the time that the answer would live without an event
		return h.call(t, ana, http.MethodPost, "/v1/chat/completions", question).status == http.StatusForbidden
	}, "refused")
}

func TestSecretsAreInNoLogNoAnswerAndNoFile(t *testing.T) {
	t.Parallel()
	p := newPeers(t)
	h := open(t, p, t.TempDir(), nil)
	root := h.root(t)
	const key = "sk-live-0123456789abcdefghijklmnop"
	put := h.call(t, root, http.MethodPut, "/api/slipway/v1/providers/openai", `{"baseUrl":"https://api.openai.com/v1","apiKey":"`+key+`"}`)
	require.Equal(t, http.StatusOK, put.status, put.body)
	require.Contains(t, put.body, `"apiKeyHint":"sk-…mnop"`)
	bad := h.call(t, root, http.MethodPut, "/api/slipway/v1/providers/x", `{"baseUrl":"https://user:`+key+`@host/v1","apiKey":"`+key+` "}`)
	require.Equal(t, http.StatusBadRequest, bad.status)
	require.Equal(t, "BASE_URL_INVALID", bad.reason(t))
	typo := h.call(t, root, http.MethodPut, "/api/slipway/v1/providers/x", `{"base_url":"https://host/v1","api_key":"`+key)
	require.Equal(t, http.StatusBadRequest, typo.status)
	got := h.call(t, root, http.MethodGet, "/api/slipway/v1/providers/openai", "")
	list := h.call(t, root, http.MethodGet, "/api/slipway/v1/providers", "")
	token, _ := h.principal(t, &gatewayv1.PutPrincipalRequest{Name: "ana"})
	h.call(t, token, http.MethodGet, "/api/slipway/v1/catalogs?key="+key, "")
	h.call(t, "x"+token, http.MethodGet, "/api/slipway/v1/catalogs", "")
	denied := h.call(t, token, http.MethodGet, "/api/slipway/v1/providers", "")
	require.Equal(t, http.StatusForbidden, denied.status)
	h.shut(t)

	for what, text := range map[string]string{"put": put.body, "bad": bad.body, "typo": typo.body, "get": got.body, "list": list.body} {
		require.NotContains(t, text, key, what)
	}
	require.Contains(t, h.log.String(), "authentication refused", "the log is really looked at")
	for _, secret := range []string{key, token, root, key[8:24]} {
		require.NotContains(t, h.log.String(), secret)
	}
	require.NoError(t, filepath.WalkDir(h.dir, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() {
			return nil
		}
		info, err := d.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s may be read by others", path)
		b, err := os.ReadFile(path) //nolint:gosec // the test's own directory
		require.NoError(t, err)
		require.NotContains(t, string(b), key, path)
		require.NotContains(t, string(b), token, path)
		return nil
	}))
}

func TestAStoreOfAnotherMasterKeyIsNotOpened(t *testing.T) {
	t.Parallel()
	p, dir := newPeers(t), t.TempDir()
	h := open(t, p, dir, nil)
	h.shut(t)
	require.NoError(t, os.Remove(filepath.Join(dir, "master.key")))
	_, err := gateway.New(t.Context(), testConfig(nil), settings(p, dir, h.log))
	require.Equal(t, "MASTER_KEY_WRONG", fault.Reason(err))
	require.Contains(t, fault.Text(err), "master key")
	// The failure left nothing open: the log's lock and the ports are free.
	_, err = gateway.New(t.Context(), testConfig(func(c *gateway.Config) { c.Keys.Master = config.Secret("not a key") }), settings(p, dir, h.log))
	require.Equal(t, "MASTER_KEY_INVALID", fault.Reason(err))
	require.NotContains(t, err.Error(), "not a key")
}

func TestATakenPortIsSaidAndLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	p, dir := newPeers(t), t.TempDir()
	h := open(t, p, t.TempDir(), nil)
	_, err := gateway.New(t.Context(), testConfig(func(c *gateway.Config) { c.GRPC = h.GRPCAddr() }), settings(p, dir, h.log))
	require.Equal(t, "PORT_TAKEN", fault.Reason(err))
	open(t, p, dir, nil)
}

func TestTwoGatewaysOnOneStoreAgree(t *testing.T) {
	t.Parallel()
	p, url := newPeers(t), testkit.Postgres(t)
	change := func(c *gateway.Config) {
		c.Store.URL, c.Tokens.TTL = config.Secret(url), config.Duration(100*time.Millisecond)
		c.Keys.Master = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	}
	a, b := open(t, p, t.TempDir(), change), open(t, p, t.TempDir(), change)
	token, id := a.principal(t, &gatewayv1.PutPrincipalRequest{Name: "ana"})
	require.Equal(t, http.StatusOK, b.call(t, token, http.MethodGet, "/api/slipway/v1/catalogs", "").status)
	require.Equal(t, http.StatusOK, a.call(t, b.root(t), http.MethodGet, "/api/slipway/v1/principals", "").status, "each has an admin token of its own")
	_, err := gatewayv1.NewPrincipalServiceClient(a.conn).RevokeToken(as(t, a.root(t)), &gatewayv1.RevokeTokenRequest{TokenId: id})
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, a.call(t, token, http.MethodGet, "/api/slipway/v1/catalogs", "").status, "here at once")
	testkit.Eventually(t, 5*time.Second, func() bool {
		return b.call(t, token, http.MethodGet, "/api/slipway/v1/catalogs", "").status == http.StatusUnauthorized
	}, "there soon")
}

func TestWithoutTokensOnlyLoopbackIsServed(t *testing.T) {
	t.Parallel()
	none := func(c *gateway.Config) { c.Auth = gateway.AuthNone }
	for _, off := range []string{"0.0.0.0:8080", ":8080", "[::]:8080", "10.0.0.1:8080", "example.com:8080"} {
		for _, set := range []func(*gateway.Config){func(c *gateway.Config) { c.HTTP = off }, func(c *gateway.Config) { c.GRPC = off }} {
			c := testConfig(none)
			set(&c)
			_, err := c.Validate()
			require.Equal(t, "CONFIG_INVALID", fault.Reason(err), off)
			_, err = gateway.New(t.Context(), c, settings(newPeers(t), t.TempDir(), &buffer{}))
			require.Equal(t, "CONFIG_INVALID", fault.Reason(err), off)
		}
	}
	h := open(t, newPeers(t), t.TempDir(), none)
	require.Equal(t, http.StatusOK, h.call(t, "", http.MethodGet, "/api/slipway/v1/principals", "").status)
	require.Equal(t, http.StatusOK, h.call(t, "", http.MethodPost, "/v1/chat/completions", question).status)
	_, err := gatewayv1.NewPrincipalServiceClient(h.conn).ListPrincipals(as(t, ""), &gatewayv1.ListPrincipalsRequest{})
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.HTTPAddr()+"/api/slipway/v1/principals", nil)
	require.NoError(t, err)
	r.Host = "rebound.example"
	w, err := h.client.Do(r)
	require.NoError(t, err)
	defer w.Body.Close()
	require.Equal(t, http.StatusForbidden, w.StatusCode)
}

func TestNodesAreRepairedByAdminsOnly(t *testing.T) {
	t.Parallel()
	h := open(t, newPeers(t), t.TempDir(), nil)
	runtime := gpuruntimev1.NewRuntimeServiceClient(h.conn)
	load := &gpuruntimev1.LoadModelRequest{InstanceId: "i", Spec: &gpuruntimev1.ModelSpec{Model: "a.b.c", Version: 1}}
	ana, _ := h.principal(t, &gatewayv1.PutPrincipalRequest{Name: "ana"})
	_, err := runtime.LoadModel(as(t, ana), load)
	require.Equal(t, "ADMIN_REQUIRED", reasonOf(err))
	_, err = runtime.LoadModel(as(t, h.root(t)), load)
	require.NoError(t, err)
	s, err := gpuruntimev1.NewInferenceServiceClient(h.conn).Generate(as(t, h.root(t)), &gpuruntimev1.GenerateRequest{InstanceId: "i-1", Prompt: "hi"})
	require.NoError(t, err)
	_, err = s.Recv()
	require.Equal(t, codes.Unimplemented, status.Code(err), "past limit, meter and log there is no way")
}

func TestReadinessFollowsWhatRequestsNeed(t *testing.T) {
	t.Parallel()
	p := newPeers(t)
	h := open(t, p, t.TempDir(), nil)
	require.Equal(t, http.StatusOK, h.call(t, "", http.MethodGet, "/readyz", "").status)
	p.stop["serving"]() // routes that came once are enough
	require.NoError(t, h.Ready(t.Context()))
	p.stop["registry"]()
	require.Equal(t, http.StatusServiceUnavailable, h.call(t, "", http.MethodGet, "/readyz", "").status)
	require.Equal(t, http.StatusOK, h.call(t, "", http.MethodGet, "/healthz", "").status)
	h.shut(t)
	require.Error(t, h.Ready(t.Context()))
}

func TestAStopLetsAnswersFinishAndShipsTheirRows(t *testing.T) {
	t.Parallel()
	p := newPeers(t)
	h := open(t, p, t.TempDir(), nil)
	release := make(chan struct{})
	p.engine.hold <- release
	token := h.root(t)
	got := make(chan string, 1)
	go func() {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+h.HTTPAddr()+"/v1/chat/completions",
			strings.NewReader(`{"model":"chat","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			got <- err.Error()
			return
		}
		r.Header.Set("Authorization", "Bearer "+token)
		w, err := h.client.Do(r)
		if err != nil {
			got <- err.Error()
			return
		}
		defer w.Body.Close()
		var b strings.Builder
		buf := make([]byte, 1024)
		for {
			n, err := w.Body.Read(buf)
			b.Write(buf[:n])
			if strings.Contains(b.String(), "hello") && release != nil {
				close(release)
				release = nil
			}
			if err != nil {
				break
			}
		}
		got <- b.String()
	}()
	testkit.Eventually(t, testkit.Patience, func() bool {
		a := h.call(t, token, http.MethodGet, "/api/slipway/v1/request-log", "")
		var st struct{ Admitted string }
		return json.Unmarshal([]byte(a.body), &st) == nil && st.Admitted == "1"
	}, "the answer has begun")
	h.shut(t)
	require.Contains(t, <-got, "[DONE]")
	rows := p.monitor.all()
	require.Len(t, rows, 1)
	require.EqualValues(t, 200, rows[0].GetStatusCode())
	_, err := net.Dial("tcp", h.HTTPAddr())
	require.Error(t, err, "the port is shut")
}

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	p, dir := newPeers(t), t.TempDir()
	file := filepath.Join(dir, "admin.token")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o644)) //nolint:gosec // the fault under test
	svc, err := gateway.New(t.Context(), testConfig(nil), settings(p, dir, &buffer{}))
	require.NoError(t, err)
	require.Equal(t, "SECRET_FILE_EXPOSED", fault.Reason(svc.Start(t.Context())))
	require.NoError(t, os.Remove(file))
	open(t, p, dir, nil)
}
