package registry

import (
	"strings"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

// Config is what an operator sets.
type Config struct {
	Store     StoreConfig    `yaml:"store"`
	Artifacts ArtifactConfig `yaml:"artifacts"`
	Events    EventConfig    `yaml:"events"`
}

// StoreConfig says where the catalog is kept.
type StoreConfig struct {
	URL config.Secret `yaml:"url" doc:"sqlite:///path/registry.db or postgres://…; empty keeps registry.db in the data folder"`
}

// ArtifactConfig says where and how the files of model versions are kept.
type ArtifactConfig struct {
	Root       string          `yaml:"root" doc:"file:///folder, s3://…, gs://…, azblob://…; a bucket or prefix of the registry's own; empty keeps artifacts in the data folder"`
	MaxFile    config.Bytes    `yaml:"max_file" doc:"largest file that is taken"`
	SweepEvery config.Duration `yaml:"sweep_every" doc:"time between two searches for contents that nobody needs"`
	SweepAfter config.Duration `yaml:"sweep_after" doc:"age at which a content that nobody needs is removed; more than the longest upload takes"`
}

// EventConfig says how watchers of the event stream are treated.
type EventConfig struct {
	Poll      config.Duration `yaml:"poll" doc:"how soon commits of other replicas are noticed"`
	Heartbeat config.Duration `yaml:"heartbeat" doc:"a watcher hears something at least this often"`
	SlowAfter config.Duration `yaml:"slow_after" doc:"a watcher that takes nothing for this long is cut"`
}

// The contract promises a heartbeat at least this often.
const heartbeatPromise = 15 * time.Second

// Default is a registry that keeps everything in its data folder.
func Default() Config {
	return Config{
		Artifacts: ArtifactConfig{
			MaxFile:    config.Bytes(256 << 30),
			SweepEvery: config.Duration(time.Hour),
			SweepAfter: config.Duration(24 * time.Hour),
		},
		Events: EventConfig{
			Poll:      config.Duration(time.Second),
			Heartbeat: config.Duration(10 * time.Second),
			SlowAfter: config.Duration(30 * time.Second),
		},
	}
}

// Validate refuses what cannot work, and warns of what works otherwise than it may look.
func (c Config) Validate() (warnings []string, err error) {
	for _, d := range []struct {
		key   string
		value config.Duration
	}{
		{"artifacts.sweep_every", c.Artifacts.SweepEvery},
		{"artifacts.sweep_after", c.Artifacts.SweepAfter},
		{"events.poll", c.Events.Poll},
		{"events.heartbeat", c.Events.Heartbeat},
		{"events.slow_after", c.Events.SlowAfter},
	} {
		if d.value <= 0 {
			return nil, fault.New("registry.Config", fault.Invalid, "registry.%s must be more than 0", d.key).WithReason("CONFIG_INVALID")
		}
	}
	if c.Artifacts.MaxFile <= 0 {
		return nil, fault.New("registry.Config", fault.Invalid, "registry.artifacts.max_file must be more than 0").WithReason("CONFIG_INVALID")
	}
	if c.Events.Heartbeat.Std() > heartbeatPromise {
		return nil, fault.New("registry.Config", fault.Invalid, "registry.events.heartbeat must be at most %s, which watchers rely on", heartbeatPromise).WithReason("CONFIG_INVALID")
	}
	if c.Artifacts.SweepAfter.Std() < time.Hour {
		warnings = append(warnings, "registry.artifacts.sweep_after is less than an hour: an upload that takes longer may have to be repeated")
	}
	if strings.HasPrefix(c.Artifacts.Root, "mem:") {
		warnings = append(warnings, "registry.artifacts.root is memory: model files are lost when the process ends")
	}
	return warnings, nil
}
