package serving_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/serving/internal/peer/peertest"
)

func TestAnEndpointTellsWhatItServesWhoseItIsAndWhatItIsMadeOf(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	got, err := b.endpoints.CreateEndpoint(b.as("alice"), &servingv1.CreateEndpointRequest{
		Name: "chat", Description: "talks", Tags: map[string]string{"team": "ü"}, Config: &servingv1.EndpointConfig{
			Revision: 99, Creator: "mallory", // output only
			ServedEntities: []*servingv1.ServedEntity{{Entity: &servingv1.ServedEntity_Model{Model: &servingv1.ModelEntity{Model: "models:/" + model + "/1", ContextLength: 512, Parallel: 4}}}},
		},
	})
	require.NoError(t, err)
	e := got.GetEndpoint()
	require.Equal(t, servingv1.Readiness_READINESS_NOT_READY, e.GetReady())
	require.Equal(t, servingv1.ConfigUpdate_CONFIG_UPDATE_UPDATING, e.GetConfigUpdate())
	require.Equal(t, "alice", e.GetOwner())
	require.Equal(t, "alice", b.registry.Owner("chat"))

	e = b.active("chat", 1)
	require.Equal(t, "talks", e.GetDescription())
	require.Equal(t, map[string]string{"team": "ü"}, e.GetTags())
	c := e.GetActiveConfig()
	require.Equal(t, "alice", c.GetCreator())
	require.Equal(t, "tiny-1", c.GetServedEntities()[0].GetName())
	require.EqualValues(t, 4, c.GetServedEntities()[0].GetModel().GetParallel())
	require.EqualValues(t, 100, c.GetRoutes()[0].GetTrafficPercentage())
	require.Equal(t, servingv1.Deployment_DEPLOYMENT_READY, c.GetStates()[0].GetDeployment())
	require.Equal(t, "models:/"+model+"/1", c.GetStates()[0].GetResolvedModel())
	require.True(t, strings.HasPrefix(c.GetStates()[0].GetInstanceId(), "serving.chat."), c.GetStates()[0].GetInstanceId())
	b.eventually(func() bool { return len(b.registry.Edges()) == 1 }, "lineage is recorded")
	require.Equal(t, "models:/"+model+"/1 serves endpoints:/chat", b.registry.Edges()[0])
}

func TestADeletedEndpointIsGoneAndItsNameIsFree(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	old := b.serving("chat", versions("/1"))
	g, _ := b.gateway("g1", "serving")
	require.NotNil(t, g.Route("chat"))
	b.registry.Grant("bob", registryv1.Privilege_PRIVILEGE_EXECUTE, "chat")
	_, err := b.endpoints.DeleteEndpoint(b.as("alice"), &servingv1.DeleteEndpointRequest{Name: "chat"})
	require.NoError(t, err)
	require.Nil(t, g.Route("chat"))
	require.Empty(t, b.registry.Owner("chat"))
	b.only(0)
	_, err = b.endpoints.GetEndpoint(b.as("alice"), &servingv1.GetEndpointRequest{Name: "chat"})
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	young := b.serving("chat", versions("/1"))
	require.NotEqual(t, old.GetId(), young.GetId())
	_, err = b.endpoints.GetEndpoint(b.as("bob"), &servingv1.GetEndpointRequest{Name: "chat"})
	require.Equal(t, fault.NotFound, fault.KindOf(err), "a grant on the old one is none on the new one")
}

func TestADeletionThatFindsItsPeersAwayIsFinishedLater(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.cfg.DeleteWait = 0
	b.serving("chat", versions("/1"))
	b.registry.Fail("UnregisterSecurable", fault.New("registry", fault.Unavailable, "away"))
	ctx, cancel := context.WithTimeout(b.as("alice"), 500e6)
	defer cancel()
	_, err := b.endpoints.DeleteEndpoint(ctx, &servingv1.DeleteEndpointRequest{Name: "chat"})
	require.True(t, err == nil || fault.Is(err, fault.DeadlineExceeded), "%v", err)
	b.only(0)
	_, err = b.endpoints.CreateEndpoint(b.as("alice"), &servingv1.CreateEndpointRequest{Name: "chat", Config: versions("/1")})
	require.Equal(t, fault.FailedPrecondition, fault.KindOf(err), "the name is held until the registry has let go")
	b.registry.Fail("UnregisterSecurable", nil)
	b.eventually(func() bool {
		_, err := b.endpoints.CreateEndpoint(b.as("alice"), &servingv1.CreateEndpointRequest{Name: "chat", Config: versions("/1")})
		return err == nil
	}, "the name is free")
}

func TestWhatIsLeftOfALostEndpointGivesNobodyAccess(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.registry.SetOwner("chat", "mallory")
	b.registry.Grant("mallory", registryv1.Privilege_PRIVILEGE_EXECUTE, "chat")
	b.serving("chat", versions("/1"))
	require.Equal(t, "alice", b.registry.Owner("chat"))
	_, err := b.endpoints.GetEndpoint(b.as("mallory"), &servingv1.GetEndpointRequest{Name: "chat"})
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}

func TestARegistryThatRefusesTheSecurableLeavesNoEndpoint(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.registry.Fail("RegisterSecurable", fault.New("registry", fault.Unavailable, "away"))
	_, err := b.endpoints.CreateEndpoint(b.as("alice"), &servingv1.CreateEndpointRequest{Name: "chat", Config: versions("/1")})
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	b.registry.Fail("RegisterSecurable", nil)
	b.eventually(func() bool {
		_, err := b.endpoints.CreateEndpoint(b.as("alice"), &servingv1.CreateEndpointRequest{Name: "chat", Config: versions("/1")})
		return err == nil
	}, "the name is free again")
	b.active("chat", 1)
	b.only(1)
}

func TestListsShowWhatTheCallerMaySeeInPages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var all []string
	for i := range 7 {
		name := fmt.Sprintf("e%d", i)
		b.create(name, versions("/1"))
		all = append(all, name)
	}
	b.registry.Grant("bob", registryv1.Privilege_PRIVILEGE_EXECUTE, "e2")
	b.registry.Grant("bob", registryv1.Privilege_PRIVILEGE_MANAGE, "e5")
	list := func(user string, size int32) (names []string, pages int) {
		token := ""
		for {
			got, err := b.endpoints.ListEndpoints(b.as(user), &servingv1.ListEndpointsRequest{PageSize: size, PageToken: token})
			require.NoError(t, err)
			pages++
			require.LessOrEqual(t, len(got.GetEndpoints()), int(size))
			for _, e := range got.GetEndpoints() {
				names = append(names, e.GetName())
			}
			if token = got.GetNextPageToken(); token == "" {
				return names, pages
			}
		}
	}
	names, pages := list("alice", 3)
	require.Equal(t, all, names)
	require.Equal(t, 3, pages)
	names, pages = list("bob", 1)
	require.Equal(t, []string{"e2", "e5"}, names)
	require.Equal(t, 2, pages)
	names, _ = list("carol", 10)
	require.Empty(t, names)
}

func TestRevisionsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.serving("chat", versions("/1"))
	for revision := int64(2); revision <= 4; revision++ {
		b.update("chat", versions("/1", "/1"))
		b.active("chat", revision)
	}
	var numbers []int64
	token := ""
	for {
		got, err := b.endpoints.ListEndpointRevisions(b.as("alice"), &servingv1.ListEndpointRevisionsRequest{Name: "chat", PageSize: 3, PageToken: token})
		require.NoError(t, err)
		for _, r := range got.GetRevisions() {
			numbers = append(numbers, r.GetRevision())
			require.Len(t, r.GetStates(), len(r.GetServedEntities()))
		}
		if token = got.GetNextPageToken(); token == "" {
			break
		}
	}
	require.Equal(t, []int64{4, 3, 2, 1}, numbers)
}

// TestEveryMistakeHasItsKindAndItsWords is the table of what goes wrong, over gRPC as any caller sees it.
func TestEveryMistakeHasItsKindAndItsWords(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.registry.PutModelVersion(&registryv1.ModelVersion{Model: "main.demo.raw", Version: 1, Format: "gguf", Status: registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_PENDING_UPLOAD})
	b.registry.PutModelVersion(&registryv1.ModelVersion{Model: "main.demo.onnx", Version: 1, Format: "onnx", Status: registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_READY})
	b.registry.AddModel("main.secret.m", 1)
	for _, m := range []string{"main.demo.raw", "main.demo.onnx"} {
		b.registry.Grant("alice", registryv1.Privilege_PRIVILEGE_EXECUTE, m)
	}
	b.registry.Grant("bob", registryv1.Privilege_PRIVILEGE_EXECUTE, model)
	b.serving("chat", versions("/1"))
	b.registry.Grant("bob", registryv1.Privilege_PRIVILEGE_EXECUTE, "chat")
	b.serving("busy", versions("/1"))
	b.runtime.Behave(9, peertest.Behaviour{Hold: true})
	b.update("busy", versions("/9"))

	create := func(user, name string, c *servingv1.EndpointConfig) func() error {
		return func() error {
			_, err := b.endpoints.CreateEndpoint(b.as(user), &servingv1.CreateEndpointRequest{Name: name, Config: c})
			return err
		}
	}
	update := func(user, name string, expected int64, c *servingv1.EndpointConfig) func() error {
		return func() error {
			_, err := b.endpoints.UpdateEndpointConfig(b.as(user), &servingv1.UpdateEndpointConfigRequest{Name: name, Config: c, ExpectedRevision: expected})
			return err
		}
	}
	get := func(ctx context.Context, name string) func() error {
		return func() error {
			_, err := b.endpoints.GetEndpoint(ctx, &servingv1.GetEndpointRequest{Name: name})
			return err
		}
	}
	split := func(shares ...int32) *servingv1.EndpointConfig {
		c := versions(strings.Split(strings.Repeat("/1 ", len(shares)-1)+"/1", " ")...)
		for i, s := range shares {
			c.Routes[i].TrafficPercentage = s
		}
		return c
	}
	change := func(f func(c *servingv1.EndpointConfig)) *servingv1.EndpointConfig {
		c := split(50, 50)
		f(c)
		return c
	}
	one := func(reference string) *servingv1.EndpointConfig {
		return &servingv1.EndpointConfig{ServedEntities: []*servingv1.ServedEntity{{Entity: &servingv1.ServedEntity_Model{Model: &servingv1.ModelEntity{Model: reference}}}}}
	}
	for name, test := range map[string]struct {
		call func() error
		kind fault.Kind
		text string
	}{
		"a sum of 101 %":                    {create("alice", "x", split(90, 11)), fault.Invalid, "sum to 101, they must sum to exactly 100"},
		"a sum of 99 %":                     {create("alice", "x", split(90, 9)), fault.Invalid, "sum to 99"},
		"a share of 101 %":                  {create("alice", "x", split(101, -1)), fault.Invalid, "traffic_percentage"},
		"a route to nobody":                 {create("alice", "x", change(func(c *servingv1.EndpointConfig) { c.Routes[1].ServedEntity = "e7" })), fault.Invalid, `"e7"`},
		"two routes to one":                 {create("alice", "x", change(func(c *servingv1.EndpointConfig) { c.Routes[1].ServedEntity = "e0" })), fault.Invalid, `"e0"`},
		"two entities of a name":            {create("alice", "x", change(func(c *servingv1.EndpointConfig) { c.ServedEntities[1].Name = "e0" })), fault.Invalid, `"e0"`},
		"two entities without routes":       {create("alice", "x", change(func(c *servingv1.EndpointConfig) { c.Routes = nil })), fault.Invalid, "routes"},
		"eleven entities":                   {create("alice", "x", split(100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), fault.Invalid, "10"},
		"no entity":                         {create("alice", "x", &servingv1.EndpointConfig{}), fault.Invalid, "served_entities"},
		"no configuration":                  {create("alice", "x", nil), fault.Invalid, "config"},
		"an empty entity":                   {create("alice", "x", &servingv1.EndpointConfig{ServedEntities: []*servingv1.ServedEntity{{}}}), fault.Invalid, "entity"},
		"a name with blanks":                {create("alice", "x y", versions("/1")), fault.Invalid, "name"},
		"a name of 64 characters":           {create("alice", strings.Repeat("x", 64), versions("/1")), fault.Invalid, "name"},
		"a model of two levels":             {create("alice", "x", one("models:/demo.tiny/1")), fault.Invalid, "three levels"},
		"a model without a version":         {create("alice", "x", one("models:/main.demo.tiny")), fault.Invalid, "/VERSION"},
		"an unknown version":                {create("alice", "x", versions("/77")), fault.NotFound, "not found"},
		"an unknown alias":                  {create("alice", "x", versions("@nobody")), fault.NotFound, "nobody"},
		"a model that alice may not use":    {create("alice", "x", one("models:/main.secret.m/1")), fault.NotFound, "main.secret.m"},
		"a version that is not uploaded":    {create("alice", "x", one("models:/main.demo.raw/1")), fault.FailedPrecondition, "not READY"},
		"a format that cannot be served":    {create("alice", "x", one("models:/main.demo.onnx/1")), fault.FailedPrecondition, "onnx"},
		"a creator without CREATE_ENDPOINT": {create("bob", "x", versions("/1")), fault.PermissionDenied, "CREATE_ENDPOINT"},
		"a name that is taken":              {create("alice", "chat", versions("/1")), fault.AlreadyExists, `"chat"`},
		"a tag without a key": {func() error {
			_, err := b.endpoints.CreateEndpoint(b.as("alice"), &servingv1.CreateEndpointRequest{Name: "x", Config: versions("/1"), Tags: map[string]string{"": "v"}})
			return err
		}, fault.Invalid, "tag"},
		"a NUL in the description": {func() error {
			_, err := b.endpoints.CreateEndpoint(b.as("alice"), &servingv1.CreateEndpointRequest{Name: "x", Config: versions("/1"), Description: "a\x00b"})
			return err
		}, fault.Invalid, "NUL"},
		"an endpoint that is not there":     {get(b.as("alice"), "nobody"), fault.NotFound, `endpoint "nobody" not found`},
		"an endpoint that carol cannot see": {get(b.as("carol"), "chat"), fault.NotFound, `endpoint "chat" not found`},
		"nobody we know":                    {get(context.Background(), "chat"), fault.Unauthenticated, "authentication"},
		"an update by one who may query":    {update("bob", "chat", 0, versions("/2")), fault.PermissionDenied, "bob needs MANAGE on chat"},
		"an update by one who may not see":  {update("carol", "chat", 0, versions("/2")), fault.NotFound, `endpoint "chat" not found`},
		"an update of nothing":              {update("alice", "nobody", 0, versions("/2")), fault.NotFound, "nobody"},
		"an update to 101 %":                {update("alice", "chat", 0, split(90, 11)), fault.Invalid, "sum to 101"},
		"an update from another revision":   {update("alice", "chat", 7, versions("/2")), fault.Aborted, "is 1, not 7"},
		"a second update":                   {update("alice", "busy", 0, versions("/2")), fault.FailedPrecondition, "is being updated to revision 2"},
		"canceling nothing": {func() error {
			_, err := b.endpoints.CancelEndpointUpdate(b.as("alice"), &servingv1.CancelEndpointUpdateRequest{Name: "chat"})
			return err
		}, fault.FailedPrecondition, "not being updated"},
		"canceling by one who may query": {func() error {
			_, err := b.endpoints.CancelEndpointUpdate(b.as("bob"), &servingv1.CancelEndpointUpdateRequest{Name: "chat"})
			return err
		}, fault.PermissionDenied, "MANAGE"},
		"deleting by one who may query": {func() error {
			_, err := b.endpoints.DeleteEndpoint(b.as("bob"), &servingv1.DeleteEndpointRequest{Name: "chat"})
			return err
		}, fault.PermissionDenied, "MANAGE"},
		"deleting nothing": {func() error {
			_, err := b.endpoints.DeleteEndpoint(b.as("alice"), &servingv1.DeleteEndpointRequest{Name: "nobody"})
			return err
		}, fault.NotFound, "nobody"},
		"revisions of what carol cannot see": {func() error {
			_, err := b.endpoints.ListEndpointRevisions(b.as("carol"), &servingv1.ListEndpointRevisionsRequest{Name: "chat"})
			return err
		}, fault.NotFound, "chat"},
		"a page token of another list": {func() error {
			_, err := b.endpoints.ListEndpoints(b.as("alice"), &servingv1.ListEndpointsRequest{PageToken: "eyJiZWZvcmUiOjF9"})
			return err
		}, fault.Invalid, "page_token"},
		"a page of 1001": {func() error {
			_, err := b.endpoints.ListEndpoints(b.as("alice"), &servingv1.ListEndpointsRequest{PageSize: 1001})
			return err
		}, fault.Invalid, "page_size"},
		"the routes for a user": {func() error { return b.watch(b.as("alice"), "g") }, fault.PermissionDenied, "gateways"},
		"the routes for no gateway": {func() error {
			return b.watch(auth.With(t.Context(), auth.Service("gateway")), "")
		}, fault.Invalid, "gateway_id"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.call()
			require.Equal(t, test.kind, fault.KindOf(err), "%v", err)
			require.Contains(t, fault.Text(err), test.text)
		})
	}
	for _, name := range []string{"x", "x y"} {
		_, err := b.endpoints.GetEndpoint(b.as("alice"), &servingv1.GetEndpointRequest{Name: name})
		require.Equal(t, fault.NotFound, fault.KindOf(err), "no mistake made an endpoint")
	}
}

// watch is the first answer to a gateway.
func (b *bench) watch(ctx context.Context, gateway string) error {
	stream, err := servingv1.NewRouteServiceClient(b.dial("test", "serving")).WatchRoutes(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&servingv1.WatchRoutesRequest{GatewayId: gateway}); err != nil && !errors.Is(err, io.EOF) {
		return err // at the end of a stream Recv knows why it ended
	}
	_, err = stream.Recv()
	return err
}

func TestARegistryThatIsAwayIsSaidToBeAwayAndNothingIsMade(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	away := fault.New("registry", fault.Unavailable, "away")
	for _, method := range []string{"CheckAccess", "ResolveModelVersion"} {
		b.registry.Fail(method, away)
		_, err := b.endpoints.CreateEndpoint(b.as("alice"), &servingv1.CreateEndpointRequest{Name: "chat", Config: versions("/1")})
		require.Equal(t, fault.Unavailable, fault.KindOf(err), method)
		b.registry.Fail(method, nil)
	}
	_, err := b.endpoints.GetEndpoint(b.as("alice"), &servingv1.GetEndpointRequest{Name: "chat"})
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}
