package ship

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

func TestABatchIsAnIngestRequest(t *testing.T) {
	t.Parallel()
	begin, err := proto.Marshal(&monitorv1.InferenceRecord{RequestId: "r1", Request: []byte("q"), LoggingErrorCodes: []string{"A"}})
	require.NoError(t, err)
	end, err := proto.Marshal(&monitorv1.InferenceRecord{StatusCode: 200, Response: []byte("a"), LoggingErrorCodes: []string{"B"}})
	require.NoError(t, err)
	b := newBatch(new(pool), "source", 3, 1<<40)
	b.add(begin, end)
	b.add(begin, nil)
	large, err := proto.Marshal(&monitorv1.InferenceRecord{RequestId: "r2", Request: []byte(strings.Repeat("long ", long))})
	require.NoError(t, err)
	b.add(large, end)
	b.add(begin, large)
	size := b.size()
	encoded, err := codec{}.Marshal(b)
	require.NoError(t, err)
	require.Equal(t, size, encoded.Len())
	var got monitorv1.IngestRequest
	require.NoError(t, codec{}.Unmarshal(encoded, &got))
	want := &monitorv1.IngestRequest{SourceId: "source", Epoch: 3, FirstSeq: 1 << 40, Records: []*monitorv1.InferenceRecord{
		{RequestId: "r1", Request: []byte("q"), StatusCode: 200, Response: []byte("a"), LoggingErrorCodes: []string{"A", "B"}},
		{RequestId: "r1", Request: []byte("q"), LoggingErrorCodes: []string{"A"}},
		{RequestId: "r2", Request: []byte(strings.Repeat("long ", long)), StatusCode: 200, Response: []byte("a"), LoggingErrorCodes: []string{"B"}},
		{RequestId: "r2", Request: []byte(strings.Repeat("long ", long)), LoggingErrorCodes: []string{"A"}},
	}}
	require.Empty(t, cmp.Diff(want, &got, protocmp.Transform()))
	require.Equal(t, 4, b.rows)
}
