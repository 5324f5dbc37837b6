package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

func edge(up, down, relation string) *registryv1.LineageEdge {
	return &registryv1.LineageEdge{Upstream: up, Downstream: down, Relation: relation}
}

func add(h *house, ctx context.Context, edges ...*registryv1.LineageEdge) error {
	return err(h.lineage.AddLineage(ctx, &registryv1.AddLineageRequest{Edges: edges}))
}

func lineageOf(t testing.TB, h *house, ctx context.Context, entity string, depth int32) (list []string) {
	t.Helper()
	r := must[*registryv1.GetLineageResponse](t)(h.lineage.GetLineage(ctx, &registryv1.GetLineageRequest{Entity: entity, Depth: depth}))
	for _, e := range r.GetEdges() {
		list = append(list, e.GetUpstream()+" "+e.GetRelation()+" "+e.GetDownstream())
	}
	return list
}

func TestLineageIsWalkedBothWays(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		ctx := admin(t)
		one, two, three, four := "table:/questions trained_on models:/main.demo.chat/1", "models:/main.demo.chat/1 serves endpoints:/faq",
			"prompts:/main.demo.greet/1 renders endpoints:/faq", "endpoints:/faq logs_to table:/log"
		require.NoError(t, add(h, ctx,
			edge("table:/questions", "models:/main.demo.chat@champion", "trained_on"),
			edge("models:/main.demo.chat/1", "endpoints:/faq", "serves"),
			edge("prompts:/main.demo.greet@prod", "endpoints:/faq", "renders"),
			edge("endpoints:/faq", "table:/log", "logs_to")))
		require.NoError(t, add(h, internal(t), edge("models:/main.demo.chat/1", "endpoints:/faq", "serves")), "what is known stays as it is")

		require.ElementsMatch(t, []string{one, two}, lineageOf(t, h, ctx, "models:/main.demo.chat/1", 1))
		require.ElementsMatch(t, []string{one, two, three, four}, lineageOf(t, h, ctx, "models:/main.demo.chat@champion", 2))
		require.Equal(t, one, lineageOf(t, h, ctx, "table:/questions", 0)[0], "nearest first")
		require.Len(t, lineageOf(t, h, ctx, "table:/questions", 0), 4, "three steps when nothing is said")
		require.Len(t, lineageOf(t, h, ctx, "table:/questions", 1), 1)
		require.Len(t, lineageOf(t, h, ctx, "table:/questions", 10), 4)
		require.Empty(t, lineageOf(t, h, ctx, "run:/unheard-of", 3))
		r := must[*registryv1.GetLineageResponse](t)(h.lineage.GetLineage(ctx, &registryv1.GetLineageRequest{Entity: "table:/questions", Depth: 1}))
		require.Equal(t, "root", r.GetEdges()[0].GetCreator())
		require.NotNil(t, r.GetEdges()[0].GetCreateTime())

		must[*registryv1.UnregisterSecurableResponse](t)(h.access.UnregisterSecurable(internal(t), &registryv1.UnregisterSecurableRequest{Securable: endpoint("faq")}))
		require.Equal(t, []string{one}, lineageOf(t, h, ctx, "models:/main.demo.chat/1", 10), "an endpoint takes its edges with it")
		must[*registryv1.DeleteModelResponse](t)(h.model.DeleteModel(ctx, &registryv1.DeleteModelRequest{FullName: chat}))
		require.Empty(t, lineageOf(t, h, ctx, "table:/questions", 10))
	})
}

func TestLineageIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	ctx := admin(t)
	for name, c := range map[string]struct {
		edge *registryv1.LineageEdge
		kind fault.Kind
		says string
	}{
		"an unknown relation": {edge("models:/main.demo.chat/1", "endpoints:/faq", "likes"), fault.Invalid, `"likes"`},
		"an unknown scheme":   {edge("file:/x", "endpoints:/faq", "serves"), fault.Invalid, "no entity"},
		"no version":          {edge("models:/main.demo.chat", "endpoints:/faq", "serves"), fault.Invalid, "names no version"},
		"both ends outside":   {edge("table:/a", "run:/b", "derived_from"), fault.Invalid, "neither"},
		"an unknown version":  {edge("models:/main.demo.chat/9", "endpoints:/faq", "serves"), fault.NotFound, "edge 1: version 9"},
		"an unknown alias":    {edge("models:/main.demo.chat@nobody", "endpoints:/faq", "serves"), fault.NotFound, "alias nobody"},
		"an unknown endpoint": {edge("models:/main.demo.chat/1", "endpoints:/nobody", "serves"), fault.NotFound, "endpoint nobody"},
		"from itself":         {edge("models:/main.demo.chat@champion", "models:/main.demo.chat/1", "derived_from"), fault.Invalid, "from itself"},
		"a line break":        {edge("table:/a\nb", "models:/main.demo.chat/1", "trained_on"), fault.Invalid, "one line"},
		"an endless name":     {edge("table:/"+strings.Repeat("x", 1100), "models:/main.demo.chat/1", "trained_on"), fault.Invalid, ""},
	} {
		good := edge("table:/t", "models:/main.demo.chat/1", "trained_on")
		refused(t, add(h, ctx, c.edge), c.kind, "", c.says)
		require.Error(t, add(h, ctx, good, c.edge), name)
	}
	require.Empty(t, lineageOf(t, h, ctx, "table:/t", 1), "all or none")
	refused(t, add(h, ctx), fault.Invalid, "")
	for _, bad := range []string{"nonsense", "models:/main.demo.chat", "x"} {
		refused(t, err(h.lineage.GetLineage(ctx, &registryv1.GetLineageRequest{Entity: bad})), fault.Invalid, "")
	}
	refused(t, err(h.lineage.GetLineage(ctx, &registryv1.GetLineageRequest{Entity: "run:/1", Depth: 11})), fault.Invalid, "")
	refused(t, err(h.lineage.GetLineage(ctx, &registryv1.GetLineageRequest{Entity: "models:/main.demo.chat/9"})), fault.NotFound, "")
	refused(t, err(h.lineage.GetLineage(ctx, &registryv1.GetLineageRequest{Entity: "endpoints:/nobody"})), fault.NotFound, "")
	refused(t, err(h.lineage.GetLineage(t.Context(), &registryv1.GetLineageRequest{Entity: "run:/1"})), fault.Unauthenticated, "")
}

// From a thing that one may see, the walk does not lead through things that one may not, and what lies behind them stays
// unknown.
func TestLineageStopsAtWhatTheCallerMayNotSee(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	ctx := admin(t)
	must[*registryv1.CreateModelResponse](t)(h.model.CreateModel(ctx, &registryv1.CreateModelRequest{FullName: "main.empty.secret"}))
	for i := range 2 {
		must[*registryv1.CreateModelVersionResponse](t)(h.model.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: "main.empty.secret", Format: "custom", Source: []string{"run:/hidden", "models:/main.demo.chat/1"}[i]}))
	}
	require.NoError(t, add(h, ctx, edge("models:/main.empty.secret/1", "models:/main.demo.chat/1", "derived_from"), edge("table:/open", "models:/main.demo.chat/1", "trained_on")))
	require.Len(t, lineageOf(t, h, ctx, "models:/main.demo.chat/1", 10), 4)

	h.grant("eve", catalogNamed("main"), useCatalog)
	h.grant("eve", schemaNamed("main.demo"), useSchema)
	h.grant("eve", modelNamed(chat), execute)
	require.Equal(t, []string{"table:/open trained_on models:/main.demo.chat/1"}, lineageOf(t, h, as(t, "eve"), "models:/main.demo.chat/1", 10))
	require.Empty(t, lineageOf(t, h, as(t, "eve"), "run:/hidden", 10))
	refused(t, err(h.lineage.GetLineage(as(t, "eve"), &registryv1.GetLineageRequest{Entity: "models:/main.empty.secret/1"})), fault.NotFound, "")
	refused(t, err(h.model.CreateModelVersion(bob(t, h), &registryv1.CreateModelVersionRequest{Model: chat, Format: "custom", Source: "models:/main.empty.secret/1"})), fault.NotFound, "SOURCE_UNKNOWN")
}

// bob is a caller who may add versions to chat and see nothing else.
func bob(t testing.TB, h *house) context.Context {
	h.grant("bob", catalogNamed("main"), useCatalog)
	h.grant("bob", schemaNamed("main.demo"), useSchema)
	h.grant("bob", modelNamed(chat), createModelVersion)
	return as(t, "bob")
}

func TestALongLineageIsWalkedToItsDepth(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		ctx := admin(t)
		for i := int64(3); i < 20; i++ {
			source := fmt.Sprintf("models:/%s/%d", chat, i-1)
			must[*registryv1.CreateModelVersionResponse](t)(h.model.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: chat, Format: "custom", Source: source}))
		}
		for _, depth := range []int32{1, 4, 10} {
			edges := lineageOf(t, h, ctx, "models:/main.demo.chat/2", depth)
			require.Len(t, edges, int(depth))
			for i, e := range edges {
				require.Equal(t, fmt.Sprintf("models:/%s/%d derived_from models:/%s/%d", chat, i+2, chat, i+3), e)
			}
		}
	})
}
