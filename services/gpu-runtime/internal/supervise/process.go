package supervise

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/worker"
)

// process is one life of a worker.
type process struct {
	cmd    *exec.Cmd
	log    *slog.Logger
	stderr *lines
	socket string
	conn   *grpc.ClientConn
	client gpuruntimev1.InferenceServiceClient

	reports chan worker.Report // closed when the worker ended
	done    chan struct{}      // closed when it was buried

	mu      sync.Mutex
	load    worker.Load
	heard   time.Time   // when it reported last
	serving atomic.Bool // it answered somebody: its death is no crash at the start
}

// start runs the binary again as a worker. The process is a group of its own, dies with us, and sees only those environment
// variables that an engine has a use for: ours hold secrets.
func start(o Options, c worker.Config, log *slog.Logger) (*process, error) {
	const op = "supervise.start"
	p := &process{log: log, stderr: &lines{log: log}, socket: c.Socket, reports: make(chan worker.Report, 16), done: make(chan struct{}), heard: o.Clock.Now()}
	config, err := json.Marshal(c)
	if err != nil {
		return nil, fault.Wrap(op, fault.Internal, err, "internal error")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fault.Wrap(op, fault.Unavailable, err, "the engine worker cannot be started")
	}
	p.cmd = exec.Command(o.Executable, worker.Argument, c.Instance) // the instance is for those who read ps
	p.cmd.Env = append(environment(os.Environ()), o.Env...)
	p.cmd.Dir = filepath.Dir(c.Socket)
	p.cmd.Stdin = bytes.NewReader(config)
	p.cmd.Stderr = p.stderr
	p.cmd.ExtraFiles = []*os.File{w}
	p.cmd.SysProcAttr = attributes()
	p.cmd.WaitDelay = time.Second
	err = o.Spawner.Start(p.cmd)
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, fault.Wrap(op, fault.Unavailable, err, "the engine worker cannot be started")
	}
	go p.listen(r)
	go p.bury()
	return p, nil
}

// environment keeps what an engine reads.
func environment(all []string) []string {
	var out []string
	for _, kv := range all {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "GOTRACEBACK", "GOCOVERDIR", "GORACE":
			out = append(out, kv)
			continue
		}
		for _, prefix := range []string{"CUDA_", "NVIDIA_", "GGML_", "VK_", "OMP_"} {
			if strings.HasPrefix(name, prefix) {
				out = append(out, kv)
				break
			}
		}
	}
	return out
}

// listen reads the reports until the worker ends.
func (p *process) listen(r *os.File) {
	defer close(p.reports)
	defer r.Close()
	for s := bufio.NewScanner(r); s.Scan(); {
		var rep worker.Report
		if err := json.Unmarshal(s.Bytes(), &rep); err != nil {
			p.log.Warn("engine worker sent a report that cannot be read", slog.String("error", err.Error()))
			continue
		}
		p.reports <- rep
	}
}

// bury waits for the end of the process.
func (p *process) bury() {
	_ = p.cmd.Wait() // how it ended is in ProcessState
	close(p.done)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// epitaph is how the process ended, for people: "signal: killed", "exit status 1: what it wrote last".
func (p *process) epitaph() string {
	how := p.cmd.ProcessState.String()
	if said := p.stderr.last(3); said != "" {
		return how + ": " + said
	}
	return how
}

// connect dials the socket.
func (p *process) connect(o Options) error {
	conn, err := link.NewNetwork().Dial("unix:"+p.socket, link.TLS{}, append(rpc.DialOptions("gpu-runtime", nil), sendTrace(o.Propagator)...)...)
	if err != nil {
		return err
	}
	p.conn, p.client = conn, gpuruntimev1.NewInferenceServiceClient(conn)
	return nil
}

// probe asks for health and for one real token: a process that answers may still have an engine that does not.
func (p *process) probe(ctx context.Context, c worker.Config) error {
	const op = "supervise.probe"
	ctx = auth.With(ctx, auth.Service("gpu-runtime"))
	health, err := healthv1.NewHealthClient(p.conn).Check(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	if health.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		return fault.New(op, fault.Unavailable, "the engine worker is not serving")
	}
	if !c.Generate {
		_, err := p.client.Embed(ctx, &gpuruntimev1.EmbedRequest{InstanceId: c.Instance, Inputs: []string{"probe"}})
		return err
	}
	zero := float32(0)
	stream, err := p.client.Generate(ctx, &gpuruntimev1.GenerateRequest{InstanceId: c.Instance, Prompt: "probe", MaxTokens: 1, Sampling: &gpuruntimev1.Sampling{Temperature: &zero}})
	if err != nil {
		return err
	}
	for {
		resp, err := stream.Recv()
		if err != nil {
			return err // io.EOF too: an answer without an end is none
		}
		if resp.GetFinish() != nil {
			return nil
		}
	}
}

func (p *process) note(l worker.Load, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load, p.heard = l, now
}

// stuck says why a process that lives is of no use: it is silent, or its engine has been computing one step for too long.
func (p *process) stuck(o Options) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case o.Clock.Now().Sub(p.heard) > o.StallTimeout:
		return "it has not been heard of for " + o.StallTimeout.String()
	case p.load.StepAge > o.StepTimeout:
		return "its engine has been computing one step for " + p.load.StepAge.Round(time.Second).String()
	}
	return ""
}

// kill ends the process and whatever it started, at once.
func (p *process) kill() { _ = syscall.Kill(-p.pid(), syscall.SIGKILL) }

// end asks the process to end, and makes it end after grace. It returns when the process is gone.
func (p *process) end(o Options, grace time.Duration) {
	_ = syscall.Kill(-p.pid(), syscall.SIGTERM)
	select {
	case <-p.done:
	case <-o.Clock.After(grace):
		p.kill()
		<-p.done
	}
}

// forget closes what is left of a dead process.
func (p *process) forget() {
	if p.conn != nil {
		_ = p.conn.Close()
	}
	_ = os.Remove(p.socket)
}

// diedOf reports whether a call that failed did so because the process died. The connection breaks a moment before the
// process is buried.
func (p *process) diedOf(ctx context.Context, o Options) bool {
	select {
	case <-p.done:
		return true
	case <-o.Clock.After(burial):
		return false
	case <-ctx.Done():
		return false
	}
}

const burial = 500 * time.Millisecond
