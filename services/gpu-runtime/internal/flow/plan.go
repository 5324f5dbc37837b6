package flow

import (
	"cmp"
	"context"
	"slices"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/gguf"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/device"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/pack"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/ledger"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/peer"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/store"
)

// plan is how a spec would be loaded on this node now.
type plan struct {
	artifact    peer.Artifact
	model       gguf.Model
	pack        pack.Pack
	context     int
	parallel    int
	batch       int
	embedding   int // tokens of the longest input, 0 without embeddings
	device      device.Device
	room        ledger.Room
	estimate    ledger.Estimate
	calibration ledger.Calibration
	key         store.Key
}

func (p plan) fits(l *ledger.Ledger) bool {
	return l.Fits(p.device.ID, p.estimate.Total, p.room, p.calibration.Share())
}

// memory is the estimate in the domain's words.
func (p plan) memory() domain.Memory {
	return domain.Memory{Weights: p.estimate.Weights, KVCache: p.estimate.KVCache, Overhead: p.estimate.Overhead, Total: p.estimate.Total}
}

// makePlan finds the file, reads its header, and chooses sizes and a device. Nothing is reserved.
func (n *Node) makePlan(ctx context.Context, spec domain.Spec) (plan, error) {
	var p plan
	err := spec.Check()
	if err != nil {
		return p, err
	}
	if p.pack, err = n.Pack(); err != nil {
		return p, err
	}
	if p.artifact, err = n.Registry.Find(ctx, spec.Model, spec.Version, spec.Path); err != nil {
		return p, err
	}
	if p.model, err = n.readModel(ctx, p.artifact); err != nil {
		return p, err
	}
	if p.context, err = spec.Context(p.model.ContextLength, n.Limits.Context); err != nil {
		return p, err
	}
	p.parallel = cmp.Or(spec.Parallel, n.Limits.Parallel)
	p.batch = max(n.Limits.Batch, p.parallel)
	if n.Limits.EmbeddingTokens > 0 {
		p.embedding = min(p.model.ContextLength, n.Limits.EmbeddingTokens)
	}
	if !p.model.Causal && p.embedding == 0 {
		return p, fault.New("flow.makePlan", fault.FailedPrecondition, "this model makes embeddings only, and embeddings are turned off on this node")
	}
	return n.place(ctx, spec, p)
}

// place chooses the device: the one that was asked for, else the GPU with most free memory that the model fits on, else
// the CPU. When it fits nowhere the last candidate stays, for the refusal to name its numbers.
func (n *Node) place(ctx context.Context, spec domain.Spec, p plan) (plan, error) {
	const op = "flow.place"
	inv := n.Devices.Read()
	candidates := inv.Devices
	if spec.DeviceID != "" {
		d, ok := inv.Find(spec.DeviceID)
		if !ok {
			return p, fault.New(op, fault.Invalid, "this node has no device %q", spec.DeviceID)
		}
		if d.Kind == device.NVIDIA && !p.pack.GPU() {
			return p, fault.New(op, fault.FailedPrecondition, "the installed engine pack is for the %s; it cannot use %s", p.pack.Variant, d.ID)
		}
		candidates = []device.Device{d}
	}
	candidates = slices.DeleteFunc(slices.Clone(candidates), func(d device.Device) bool { return d.Kind == device.NVIDIA && !p.pack.GPU() })
	slices.SortStableFunc(candidates, func(a, b device.Device) int { // GPUs first, most free first
		return cmp.Or(cmp.Compare(b.Kind, a.Kind), cmp.Compare(b.MemoryFree, a.MemoryFree))
	})
	for _, d := range candidates {
		if err := n.fit(ctx, &p, d); err != nil {
			return p, err
		}
		if p.fits(n.Ledger) {
			break
		}
	}
	return p, nil
}

// fit puts a plan on a device and estimates it there.
func (n *Node) fit(ctx context.Context, p *plan, d device.Device) error {
	p.device, p.room = d, ledger.Room{Total: d.MemoryTotal, Free: d.MemoryFree}
	kind := "nvidia"
	if d.Kind == device.CPU {
		kind = device.CPUID
		p.room.Total -= n.Limits.MemoryReserve
		p.room.Free -= n.Limits.MemoryReserve
	}
	raw := ledger.Predict(ledger.Plan{Model: p.model, Context: p.context, Parallel: p.parallel, Batch: p.batch, Embedding: p.embedding, Generation: p.model.Causal})
	p.key = store.Key{SHA256: p.artifact.SHA256, Engine: p.pack.String(), Device: kind, Context: p.context, Parallel: p.parallel, Batch: p.batch, Embedding: p.embedding}
	f, err := n.Footprints.Find(ctx, p.key)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	p.calibration = ledger.Calibration{Factor: f.Factor, Samples: f.Samples}
	p.estimate = p.calibration.Apply(raw)
	return nil
}
