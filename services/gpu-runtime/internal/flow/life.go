package flow

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/cache"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/device"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/ledger"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/store"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/supervise"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/worker"
)

// live takes one instance from its first to its last state. Whatever it took on the way (file, process, memory) it gives
// back here, in reverse, however the life ends.
func (n *Node) live(ctx context.Context, i *instance) {
	defer n.lives.Done()
	defer close(i.settled)
	err := n.serve(ctx, i)
	n.Ledger.Release(i.view.ID) // the id never changes
	if err != nil {
		n.mu.Lock()
		n.move(i, domain.Failed, fault.Text(err))
		n.mu.Unlock()
		<-i.unload
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.move(i, domain.Stopped, "")
	delete(n.instances, i.view.ID)
}

// serve fetches, starts and keeps the engine until the wish to unload (nil) or until it cannot go on (the reason).
func (n *Node) serve(ctx context.Context, i *instance) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // the wish to unload ends a load at any point
		select {
		case <-i.unload:
			n.mu.Lock()
			loading := i.engine == nil || i.engine.Status().Ready.Engine == ""
			n.mu.Unlock()
			if loading {
				cancel()
			}
		case <-ctx.Done():
		}
	}()
	file, err := n.fetch(ctx, i.plan)
	if err != nil {
		return unlessUnloaded(i, err)
	}
	defer file.Release()
	n.say(i, "starting the engine")
	n.mu.Lock() // held, so that nobody sees the instance ready before it has its engine
	engine := supervise.Start(n.engineOptions(i), n.workerConfig(i, file.Path))
	i.engine = engine
	n.mu.Unlock()
	defer engine.Stop()
	if err := n.waitReady(ctx, engine); err != nil {
		n.Log.Error("model cannot be loaded", slog.String("instance", i.view.ID), slog.String("error", err.Error()))
		return unlessUnloaded(i, err)
	}
	n.learn(ctx, i)
	defer n.learn(context.WithoutCancel(ctx), i)
	select {
	case <-engine.Done():
		return engine.Status().Err
	case <-i.unload:
		n.drain(i)
		return nil
	}
}

// unlessUnloaded is the error of a load, or nil when it failed because it was no longer wanted.
func unlessUnloaded(i *instance, err error) error {
	select {
	case <-i.unload:
		return nil
	default:
		return err
	}
}

func (n *Node) fetch(ctx context.Context, p plan) (*cache.Handle, error) {
	ctx, span := n.Tracer.Start(ctx, "fetch model file")
	defer span.End()
	h, err := n.Cache.Get(ctx, cache.File{SHA256: p.artifact.SHA256, Size: p.artifact.Size}, func(ctx context.Context, offset int64, w io.Writer) error {
		return n.Registry.Download(ctx, p.artifact, offset, w)
	})
	return h, failSpan(span, err)
}

func (n *Node) waitReady(ctx context.Context, e *supervise.Engine) error {
	ctx, span := n.Tracer.Start(ctx, "start engine")
	defer span.End()
	return failSpan(span, e.WaitReady(ctx))
}

// say tells watchers how far a load has come.
func (n *Node) say(i *instance, message string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i.view.State == domain.Loading {
		i.view.Message = message
		n.publish(i)
	}
}

// drain waits for running requests, for as long as the wish allows.
func (n *Node) drain(i *instance) {
	n.mu.Lock()
	wait := i.drainFor
	n.mu.Unlock()
	select {
	case <-i.idle:
	case <-n.Clock.After(wait):
		n.Log.Warn("instance did not drain in time; its requests are cut off", slog.String("instance", i.view.ID), slog.Duration("after", wait))
	}
}

// learn records what the engine was seen to need, for the next prediction.
func (n *Node) learn(ctx context.Context, i *instance) {
	observed := i.engine.Status().Observed
	if observed <= 0 || float64(observed) < float64(i.learnt)*significant {
		return
	}
	i.learnt = observed
	raw := i.plan.estimate.Raw()
	ctx, cancel := context.WithTimeout(ctx, learnTimeout)
	defer cancel()
	f, err := n.Footprints.Update(ctx, i.plan.key, func(old store.Footprint) store.Footprint {
		c := ledger.Calibration{Factor: old.Factor, Samples: old.Samples}.Observe(raw, observed)
		return store.Footprint{Model: i.plan.artifact.Model, Predicted: raw, Observed: observed, Factor: c.Factor, Samples: c.Samples, Updated: n.Clock.Now()}
	})
	if err != nil {
		n.Log.Warn("observed memory cannot be recorded", slog.String("instance", i.view.ID), slog.String("error", err.Error()))
		return
	}
	n.Log.Info("observed memory recorded", slog.String("instance", i.view.ID), slog.Int64("predicted", i.plan.estimate.Total), slog.Int64("observed", observed), slog.Float64("factor", f.Factor))
}

const (
	significant  = 1.02 // a need that grew by less teaches nothing new
	learnTimeout = 5 * time.Second
)

// engineOptions are the node's, with this instance's device and its ears.
func (n *Node) engineOptions(i *instance) supervise.Options {
	o := n.Engines
	o.Env = []string{"CUDA_VISIBLE_DEVICES="} // a worker for the CPU sees no GPU
	o.Observe = supervise.Resident
	if i.plan.device.Kind == device.NVIDIA {
		o.Env = []string{"CUDA_VISIBLE_DEVICES=" + i.plan.device.ID, "CUDA_DEVICE_ORDER=PCI_BUS_ID"}
		o.Observe = func(pid int) int64 {
			bytes, _ := n.Devices.ProcessMemory(i.plan.device.ID, pid)
			return bytes
		}
	}
	o.Changed = func(s supervise.Status) { n.follow(i, s) }
	return o
}

func (n *Node) workerConfig(i *instance, path string) worker.Config {
	p := i.plan
	threads := n.Limits.Threads
	if threads == 0 {
		threads = max(1, p.device.Cores-1)
	}
	layers := int32(0)
	if p.device.Kind == device.NVIDIA {
		layers = -1
	}
	return worker.Config{
		Instance: i.view.ID, Pack: p.pack, Model: path, GPULayers: layers, Context: p.context, Parallel: p.parallel, Batch: p.batch,
		Chunk: n.Limits.Chunk, Queue: n.Limits.Queue, Threads: threads, Generate: p.model.Causal, Embedding: p.embedding, LogLevel: n.Limits.LogLevel,
	}
}
