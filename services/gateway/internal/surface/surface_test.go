package surface

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
)

// internal is what services say to each other only. A new RPC is either here or in the table: nothing is forgotten.
var internal = []string{
	"/slipway.gpuruntime.v1.InferenceService/Embed",
	"/slipway.gpuruntime.v1.InferenceService/Generate",
	"/slipway.monitor.v1.IngestService/Ingest",
	"/slipway.registry.v1.AccessService/RegisterSecurable",
	"/slipway.registry.v1.AccessService/UnregisterSecurable",
	"/slipway.serving.v1.RouteService/WatchRoutes",
}

// rpcs are all methods of the platform, with their HTTP rules.
func rpcs() map[string]*annotations.HttpRule {
	all := map[string]*annotations.HttpRule{}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(f.Package()), "slipway.") {
			return true
		}
		for i := range f.Services().Len() {
			svc := f.Services().Get(i)
			for k := range svc.Methods().Len() {
				m := svc.Methods().Get(k)
				rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
				all["/"+string(svc.FullName())+"/"+string(m.Name())] = rule
			}
		}
		return true
	})
	return all
}

func TestEveryMethodIsEitherPublicOrInternalByName(t *testing.T) {
	t.Parallel()
	s, err := New()
	require.NoError(t, err)
	var public, all []string
	for _, svc := range s.Services() {
		for name := range svc.Methods {
			public = append(public, svc.FullMethod(name))
		}
	}
	for m := range rpcs() {
		all = append(all, m)
	}
	both := append(slices.Clone(public), internal...)
	slices.Sort(both)
	slices.Sort(all)
	require.Equal(t, all, both)
	for _, m := range internal {
		require.False(t, s.Public(m))
	}
}

func TestMethodsThatOnlyLookAreThoseWhoseNamesSaySo(t *testing.T) {
	t.Parallel()
	s, err := New()
	require.NoError(t, err)
	looks := regexp.MustCompile(`/(Get|List|Query|Resolve|Watch|Check|Download)[A-Z]\w*$`)
	for method, need := range s.needs {
		if need != Administer {
			require.Equal(t, looks.MatchString(method), need == Look, method)
		}
	}
}

func TestOwnersOwnTheirProtoPackage(t *testing.T) {
	t.Parallel()
	for _, svc := range table() {
		want := map[string]string{"slipway.gateway.v1": Self, "slipway.registry.v1": registry, "slipway.serving.v1": serving, "slipway.monitor.v1": monitor, "slipway.gpuruntime.v1": gpuRuntime}
		pkg := svc.Desc.ServiceName[:strings.LastIndexByte(svc.Desc.ServiceName, '.')]
		require.Equal(t, want[pkg], svc.Owner, svc.Desc.ServiceName)
	}
}

// recorder is a connection that notes which method is called.
type recorder struct{ called []string }

func (r *recorder) Invoke(_ context.Context, method string, _, _ any, _ ...grpc.CallOption) error {
	r.called = append(r.called, method)
	return nil
}

func (r *recorder) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	panic("no HTTP rule is on a stream")
}

func TestEveryHTTPRuleReachesItsMethod(t *testing.T) {
	t.Parallel()
	s, err := New()
	require.NoError(t, err)
	mux, rec := runtime.NewServeMux(), &recorder{}
	for _, svc := range s.Services() {
		if svc.REST != nil {
			require.NoError(t, svc.REST(t.Context(), mux, rec))
		}
	}
	all := rpcs()
	for _, method := range slices.Sorted(maps.Keys(all)) {
		rule := all[method]
		if rule == nil {
			continue
		}
		require.True(t, s.Public(method), "%s has an HTTP rule and is not public", method)
		verb, path := verbOf(rule)
		require.True(t, strings.HasPrefix(path, "/api/slipway/v1/"), method)
		r := httptest.NewRequest(verb, regexp.MustCompile(`\{[^}]*version}`).ReplaceAllString(path, "7"), strings.NewReader("{}"))
		r.URL.Path = regexp.MustCompile(`\{[^}]*}`).ReplaceAllString(r.URL.Path, "a.b.c")
		w := httptest.NewRecorder()
		rec.called = nil
		mux.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code, "%s %s: %s", verb, r.URL.Path, w.Body)
		require.Equal(t, []string{method}, rec.called, "%s %s", verb, r.URL.Path)
	}
}

func verbOf(rule *annotations.HttpRule) (verb, path string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	}
	return "", ""
}

func TestAScopeOpensWhatItSays(t *testing.T) {
	t.Parallel()
	s, err := New()
	require.NoError(t, err)
	const look, change, repair = "/slipway.registry.v1.ModelService/GetModel", "/slipway.registry.v1.ModelService/CreateModel", "/slipway.gpuruntime.v1.RuntimeService/LoadModel"
	who := func(scopes ...string) auth.Principal {
		return auth.Principal{Name: "ana", Kind: auth.User, Scopes: scopes}
	}
	root := func(scopes ...string) auth.Principal {
		return auth.Principal{Name: "root", Groups: []string{auth.Admins}, Scopes: scopes}
	}
	for _, c := range []struct {
		p      auth.Principal
		method string
		reason string
	}{
		{who(), look, ""},
		{who(), change, ""},
		{who("read"), look, ""},
		{who("read"), change, "SCOPE_MISSING"},
		{who("inference"), look, "SCOPE_MISSING"},
		{who("inference"), change, "SCOPE_MISSING"},
		{who("inference", "read"), look, ""},
		{who("inference", "read"), change, "SCOPE_MISSING"},
		{root("read"), change, "SCOPE_MISSING"},
		{who(), repair, "ADMIN_REQUIRED"},
		{root("read"), repair, "SCOPE_MISSING"},
		{root(), repair, ""},
		{root(), "/slipway.monitor.v1.IngestService/Ingest", "METHOD_NOT_PUBLIC"},
		{root(), "/slipway.nowhere.v1.X/Y", "METHOD_NOT_PUBLIC"},
	} {
		err := s.Admit(c.p, c.method)
		require.Equal(t, c.reason, fault.Reason(err), "%+v %s", c.p, c.method)
	}
}

func TestATableThatNamesAMethodWhichIsNotThereIsRefused(t *testing.T) {
	t.Parallel()
	bad := table()
	bad[0].Methods["Nothing"] = Look
	_, err := Of(bad...)
	require.True(t, fault.Is(err, fault.Internal))
}
