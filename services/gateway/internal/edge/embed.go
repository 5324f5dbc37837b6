package edge

import (
	"context"
	"net/http"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/dialect"
	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
)

// embed has a local engine make vectors.
func (x *exchange) embed(req *dialect.Request) error {
	e, err := req.Embeddings()
	if err != nil {
		return err
	}
	var vectors [][]float32
	var usage meter.Usage
	err = x.try(func(ctx context.Context, i *route.Instance) error {
		if err := dimensions(e.Dimensions, i.EmbeddingLength()); err != nil {
			return err
		}
		defer x.waitedSince(x.Clock.Now())
		vectors, usage, err = x.Engines.Embed(ctx, i, x.id, e.Inputs)
		return err
	})
	if err != nil {
		return err
	}
	x.out.usage, x.out.counted = usage, true
	if err := dimensions(e.Dimensions, len(vectors[0])); err != nil {
		return err
	}
	body := dialect.AppendEmbeddings(x.buf.out, x.model, vectors, e.Base64, usage)
	x.buf.out = body
	if err := x.settle(http.StatusOK, "", body); err != nil {
		return err
	}
	x.write(http.StatusOK, body)
	return nil
}

// dimensions refuses a length that the model does not have; 0 is any, or not known.
func dimensions(asked int64, have int) error {
	if asked == 0 || have == 0 || asked == int64(have) {
		return nil
	}
	return &dialect.ParamError{Param: "dimensions", Fault: fault.New("edge.embed", fault.Invalid,
		"dimensions: this model's embeddings have %d dimensions and cannot be shortened", have).WithReason("UNSUPPORTED_PARAMETER")}
}
