package monitor_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/config"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// BenchmarkIngest is records of about four kilobytes from a sender's message to
// its acknowledgement: the wire, the features, the file, the commit, the sync.
func BenchmarkIngest(b *testing.B) {
	n := start(b, func(o *options) { o.config.Ingest.FlushInterval = config.Duration(500 * time.Millisecond) })
	words := strings.Fields("the invoice for this order was paid yesterday but my account still shows that nothing has arrived so please tell me what to do about it")
	const each = 250
	message := func(first int64) []*monitorv1.InferenceRecord {
		out := batch("gw", first, first+each-1)
		for i, r := range out {
			var text strings.Builder
			for k := 0; text.Len() < 3500; k++ {
				fmt.Fprintf(&text, "%s %d ", words[(k*k+i)%len(words)], k*i)
			}
			r.Request = []byte(`{"model":"chat","messages":[{"role":"user","content":"` + text.String() + `"}]}`)
		}
		return out
	}
	var messages [][]*monitorv1.InferenceRecord
	for i := range int64(8) {
		messages = append(messages, message(i*each))
	}
	stream, err := n.Ingest(gateway(b.Context()))
	require.NoError(b, err)
	next := int64(1)
	i := 0
	for b.Loop() {
		err := stream.Send(&monitorv1.IngestRequest{SourceId: "gw", Epoch: 1, FirstSeq: next, Records: messages[i%len(messages)]})
		require.NoError(b, err)
		next += each
		i++
	}
	require.NoError(b, stream.CloseSend())
	for {
		_, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(b, err)
	}
	b.ReportMetric(float64(next-1)/b.Elapsed().Seconds(), "rows/s")
}
