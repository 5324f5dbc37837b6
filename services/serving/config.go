package serving

import (
	"strings"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

// Config is what an operator sets. Default is right for a laptop and for a mesh.
type Config struct {
	Store          StoreConfig     `yaml:"store"`
	Runtime        string          `yaml:"runtime" doc:"peer that models are loaded at"`
	InstancePrefix string          `yaml:"instance_prefix" doc:"begins the id of every instance; what the runtime has under it and no endpoint needs is unloaded, so two installations that share a runtime need two prefixes"`
	Replica        string          `yaml:"replica" doc:"name of this process among those that share the store, the same after a restart; empty: local on SQLite, a new one each time on PostgreSQL"`
	LoadTimeout    config.Duration `yaml:"load_timeout" doc:"from the making of a revision until it counts as failed"`
	ProbeTimeout   config.Duration `yaml:"probe_timeout" doc:"for the one token that a new instance is asked for"`
	ProbeAttempts  int             `yaml:"probe_attempts" doc:"before a new instance that does not answer fails its revision"`
	AckTimeout     config.Duration `yaml:"ack_timeout" doc:"for connected gateways to apply a new routing table, before what it left out is unloaded anyway"`
	Linger         config.Duration `yaml:"linger" doc:"after that, for requests that are on their way from a gateway to a model"`
	DrainTimeout   config.Duration `yaml:"drain_timeout" doc:"for requests that a model still answers when it is unloaded"`
	RuntimeGrace   config.Duration `yaml:"runtime_grace" doc:"for an unreachable runtime to come back, before its models count as lost"`
	GatewayGrace   config.Duration `yaml:"gateway_grace" doc:"for a gateway to connect again after serving restarted, before it counts as gone"`
	Lease          config.Duration `yaml:"lease" doc:"how long others wait for a replica that died while it acted on an endpoint"`
	Resync         config.Duration `yaml:"resync" doc:"between looks at everything, for what no event told of"`
	TablePoll      config.Duration `yaml:"table_poll" doc:"between looks at the routing table, for what another replica changed"`
	PublishWait    config.Duration `yaml:"publish_wait" doc:"how long an answer about an active revision waits for gateways to route by it"`
	DeleteWait     config.Duration `yaml:"delete_wait" doc:"how long the answer to a deletion waits for it to be complete"`
	Workers        int             `yaml:"workers" doc:"endpoints that are acted on at the same time"`
	Templates      int             `yaml:"templates" doc:"prompt templates that are kept compiled in memory"`
}

// StoreConfig says where serving keeps its rows.
type StoreConfig struct {
	URL config.Secret `yaml:"url" doc:"sqlite:///path/x.db or postgres://…; empty is serving.db in the data folder"`
}

// Default is the configuration before anybody set anything.
func Default() Config {
	return Config{
		Runtime: "gpu-runtime", InstancePrefix: "serving",
		LoadTimeout: config.Duration(10 * time.Minute), ProbeTimeout: config.Duration(30 * time.Second), ProbeAttempts: 3,
		AckTimeout: config.Duration(30 * time.Second), Linger: config.Duration(500 * time.Millisecond), DrainTimeout: config.Duration(30 * time.Second),
		RuntimeGrace: config.Duration(5 * time.Second), GatewayGrace: config.Duration(10 * time.Second), Lease: config.Duration(10 * time.Second),
		Resync: config.Duration(5 * time.Second), TablePoll: config.Duration(500 * time.Millisecond),
		PublishWait: config.Duration(2 * time.Second), DeleteWait: config.Duration(5 * time.Second),
		Workers: 8, Templates: 1024,
	}
}

// Validate refuses what cannot work and warns of what is unwise.
func (c Config) Validate() (warnings []string, err error) {
	bad := func(format string, args ...any) error {
		return fault.New("serving.Config", fault.Invalid, format, args...).WithReason("CONFIG_INVALID")
	}
	if c.Runtime == "" {
		return nil, bad("serving.runtime must name a peer")
	}
	if c.InstancePrefix == "" || strings.ContainsAny(c.InstancePrefix, ". /\t\n") || len(c.InstancePrefix) > 64 {
		return nil, bad("serving.instance_prefix must have 1 to 64 characters and no dots, slashes or blanks")
	}
	for key, d := range map[string]config.Duration{
		"load_timeout": c.LoadTimeout, "probe_timeout": c.ProbeTimeout, "ack_timeout": c.AckTimeout, "drain_timeout": c.DrainTimeout,
		"gateway_grace": c.GatewayGrace, "lease": c.Lease, "resync": c.Resync, "table_poll": c.TablePoll,
	} {
		if d.Std() < 10*time.Millisecond {
			return nil, bad("serving.%s must be at least 10ms", key)
		}
	}
	for key, d := range map[string]config.Duration{"linger": c.Linger, "runtime_grace": c.RuntimeGrace, "publish_wait": c.PublishWait, "delete_wait": c.DeleteWait} {
		if d < 0 {
			return nil, bad("serving.%s must not be negative", key)
		}
	}
	if c.Workers < 1 || c.Templates < 1 || c.ProbeAttempts < 1 {
		return nil, bad("serving.workers, serving.templates and serving.probe_attempts must be at least 1")
	}
	if c.Linger == 0 {
		warnings = append(warnings, "serving.linger is 0: a request that is on its way to a model when its endpoint is updated may find the model gone")
	}
	if c.LoadTimeout < c.ProbeTimeout {
		warnings = append(warnings, "serving.load_timeout is shorter than serving.probe_timeout: a slow first answer fails the revision before its probe gives up")
	}
	return warnings, nil
}
