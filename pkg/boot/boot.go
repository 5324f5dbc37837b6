// Package boot is the life of a program, the same for every one of them: read the configuration, set up telemetry, build
// the service, start it, serve, and on a signal drain, stop and flush. A thin main is Main and one line that opens the
// service; the binary that runs them all uses the same Host for each. Between them nothing differs but addresses.
package boot

import (
	"context"
	"log/slog"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
)

// Service is what every door returns: built whole, running nothing.
type Service interface {
	// Register puts the service's RPCs on a server.
	Register(grpc.ServiceRegistrar)
	// Start starts the service's loops and returns when it works. Its context ends with the start.
	Start(ctx context.Context) error
	// Ready says why the service cannot serve just now; nil when it can.
	Ready(ctx context.Context) error
	// Stop ends the loops, finishes what was begun within ctx, and closes the stores. It is also how a service is closed
	// that never started, or whose start failed.
	Stop(ctx context.Context) error
}

// Settings is what code hands to a door, where Config is what an operator hands to it.
type Settings struct {
	Log       *slog.Logger
	Telemetry *telemetry.Telemetry
	Net       *link.Network
	TLS       link.TLS
	Clock     clock.Clock
	IDs       id.Source
	Peers     map[string]string // name of a service → its address
	DataDir   string            // a folder of the service's own
}

// For is the settings of one service among several in a process: its own name on log lines and spans, the rest shared.
func (s Settings) For(service string) Settings {
	s.Telemetry = s.Telemetry.For(service)
	s.Log = s.Telemetry.Log
	return s
}

// DialPeer is self's connection to the service called name, at the address that Peers gives it. Under TLS the other end
// must show a certificate for that very name.
func (s Settings) DialPeer(self, name string) (*grpc.ClientConn, error) {
	addr, ok := s.Peers[name]
	if !ok || addr == "" {
		return nil, fault.New("boot.DialPeer", fault.Invalid, "%s needs the address of %s: set peers.%s", self, name, name)
	}
	opts := rpc.DialOptions(self, s.Telemetry)
	return s.Net.Dial(addr, s.TLS, append(opts, grpc.WithAuthority(name))...)
}

// Common is the configuration that every main shares. A main embeds it inline beside the section of its service:
//
//	type root struct {
//		boot.Common `yaml:",inline"`
//		Registry    registry.Config `yaml:"registry"`
//	}
type Common struct {
	Listen     string            `yaml:"listen" doc:"address of the gRPC server: host:port, unix:/path or inproc:name"`
	HTTP       string            `yaml:"http" doc:"address of /healthz, /readyz and /metrics; empty serves none"`
	Data       string            `yaml:"data" doc:"folder for what the service keeps"`
	Grace      config.Duration   `yaml:"grace" doc:"time that calls and loops get to finish when the program stops"`
	Deadline   config.Duration   `yaml:"deadline" doc:"longest time of a call whose caller set none"`
	MaxMessage config.Bytes      `yaml:"max_message" doc:"largest gRPC message taken"`
	Telemetry  telemetry.Config  `yaml:"telemetry"`
	TLS        link.TLS          `yaml:"tls"`
	Peers      map[string]string `yaml:"peers" doc:"address of each other service"`
	Sections   []string          `yaml:"-"` // keys of a shared file that belong to other programs, beside the names of peers
}

// Default is a service on loopback that keeps its data below the working directory.
func Default(service string) Common {
	return Common{
		Listen:    "127.0.0.1:9090",
		Data:      "data/" + service,
		Grace:     config.Duration(defaultGrace),
		Deadline:  config.Duration(defaultDeadline),
		Telemetry: telemetry.Default(),
	}
}

// common is how Main finds the Common inside a root that embeds it.
func (c *Common) common() *Common { return c }

// fill puts defaults where a main or an operator left nothing.
func (c *Common) fill(service string) {
	d := Default(service)
	if c.Listen == "" {
		c.Listen = d.Listen
	}
	if c.Data == "" {
		c.Data = d.Data
	}
	if c.Grace <= 0 {
		c.Grace = d.Grace
	}
	if c.Deadline <= 0 {
		c.Deadline = d.Deadline
	}
	c.Telemetry.Service = service
}
