// Package dataplane puts the gateway's hot path together: the edge and all it stands on, from the log on the disk to the
// connections to peers. The door owns one Plane and gives it the answers to who calls, who may, how often, and with which key.
package dataplane

import (
	"context"
	"crypto/tls"
	"errors"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/edge"
	"github.com/slipway-ai/slipway/services/gateway/internal/journal"
	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
	"github.com/slipway-ai/slipway/services/gateway/internal/ship"
	"github.com/slipway-ai/slipway/services/gateway/internal/upstream"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// Options of a plane. Numbers that are zero mean their defaults.
type Options struct {
	LogDir       string
	SegmentBytes int64
	CapBytes     int64
	KeepBody     int  // bytes of a body that a row keeps
	Lean         bool // an answer's last byte does not wait for the disk
	Edge         edge.Settings
	TLS          *tls.Config // to verify providers by; nil is the system's roots

	Auth      edge.Authenticator
	Access    edge.Access
	Limits    edge.Limits
	Providers edge.Providers
}

// Plane is the hot path, built whole.
type Plane struct {
	edge    *edge.Edge
	journal *journal.Journal
	router  *route.Router
	shipper *ship.Shipper
	engines *upstream.Engines
	http    *upstream.HTTP
	peers   []*grpc.ClientConn
	loops   *lifecycle.Group
}

// New opens the log and builds everything; nothing runs and no peer is called before Start. On an error nothing is left open.
// The peers are serving, monitor, and the gpu-runtimes that serving's routes name.
func New(o Options, s boot.Settings) (_ *Plane, err error) {
	p := &Plane{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	serving, err := p.dial(s, "serving")
	if err != nil {
		return nil, err
	}
	monitor, err := p.dial(s, "monitor")
	if err != nil {
		return nil, err
	}
	p.journal, err = journal.Open(journal.Options{
		WAL:  wal.Options{Dir: o.LogDir, SegmentBytes: o.SegmentBytes, CapBytes: o.CapBytes, IDs: s.IDs, Log: s.Log},
		Lean: o.Lean, MaxBody: o.KeepBody, Clock: s.Clock,
	})
	if err != nil {
		return nil, err
	}
	p.engines = upstream.NewEngines(func(runtime string) (*grpc.ClientConn, error) { return s.DialPeer("gateway", runtime) })
	p.http = upstream.NewHTTP(upstream.HTTPOptions{TLS: o.TLS})
	p.router = route.New(route.Options{
		GatewayID: p.journal.Log().Source(), Serving: serving, Runtime: p.engines.Conn, Clock: s.Clock, Log: s.Log,
	})
	p.shipper = ship.New(ship.Options{Log: p.journal.Log(), Row: p.journal.Row, Monitor: monitor, Clock: s.Clock, Logger: s.Log})
	meter.LogMetrics(s.Telemetry.Metrics, p.journal.Log().Stats)
	if o.Edge.KeepText == 0 {
		o.Edge.KeepText = o.KeepBody
	}
	p.edge = edge.New(edge.Deps{
		Auth: o.Auth, Access: o.Access, Limits: o.Limits, Providers: o.Providers,
		Routes: p.router, Engines: p.engines, HTTP: p.http, Prompts: servingv1.NewPromptExecutionServiceClient(serving),
		Journal: p.journal, Meter: meter.New(s.Telemetry.Metrics),
		Tracer: s.Telemetry.Tracer("gateway"), Propagator: s.Telemetry.Propagator, Log: s.Log, Clock: s.Clock, IDs: s.IDs, Settings: o.Edge,
	})
	return p, nil
}

func (p *Plane) dial(s boot.Settings, name string) (*grpc.ClientConn, error) {
	c, err := s.DialPeer("gateway", name)
	if err == nil {
		p.peers = append(p.peers, c)
	}
	return c, err
}

// Edge is the handler of /v1/** and /serving-endpoints/**.
func (p *Plane) Edge() *edge.Edge { return p.edge }

// Start begins to watch the routes and to ship the log. It does not wait for the peers: see Ready.
func (p *Plane) Start(ctx context.Context) error {
	p.loops = lifecycle.NewGroup(ctx)
	p.loops.Go("routes", p.router.Run)
	p.loops.Go("shipper", p.shipper.Run)
	return nil
}

// Ready is nil when requests can be answered: the routes have come and the log takes records.
func (p *Plane) Ready(context.Context) error {
	if err := p.router.Ready(); err != nil {
		return err
	}
	return p.journal.Log().Failed()
}

// Stop ships what is finished, for as long as ctx allows, and closes everything. The HTTP server must have stopped before.
// Rows that did not get through stay in the log for the next start.
func (p *Plane) Stop(ctx context.Context) error {
	var err error
	if p.loops != nil {
		// Half of the time for the monitor, which may be away, and the rest for the loops to end.
		drain, cancel := within(ctx)
		_ = p.shipper.Drain(drain)
		cancel()
		err = p.loops.Stop(ctx)
	}
	return errors.Join(err, p.close())
}

func (p *Plane) close() error {
	var err error
	if p.journal != nil {
		err = p.journal.Close()
	}
	if p.http != nil {
		p.http.Close()
	}
	if p.engines != nil {
		err = errors.Join(err, p.engines.Close())
	}
	for _, c := range p.peers {
		err = errors.Join(err, c.Close())
	}
	return err
}

// Log is the request log's account of itself, with the name under which its rows are counted.
func (p *Plane) Log() (source string, epoch uint64, stats wal.Stats) {
	log := p.journal.Log()
	return log.Source(), log.Epoch(), log.Stats()
}

// Drain waits until the monitor has every finished request, or ctx ends.
func (p *Plane) Drain(ctx context.Context) error { return p.shipper.Drain(ctx) }
