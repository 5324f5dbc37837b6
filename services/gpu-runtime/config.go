package gpuruntime

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

// Config is what an operator sets.
type Config struct {
	Store     Store     `yaml:"store"`
	Engine    Engine    `yaml:"engine"`
	Cache     Cache     `yaml:"cache"`
	Memory    Memory    `yaml:"memory"`
	Supervise Supervise `yaml:"supervise"`
	NVML      string    `yaml:"nvml_library" doc:"NVIDIA's management library; empty is libnvidia-ml.so.1"`
}

// Store is where observations are kept.
type Store struct {
	URL string `yaml:"url" doc:"sqlite:///path or postgres://…; empty is a SQLite file in the data folder"`
}

// Engine shapes the engine workers.
type Engine struct {
	Dir             string          `yaml:"dir" doc:"folder of the engine pack; empty searches SLIPWAY_ENGINE_DIR, /usr/lib/slipway/engines, ~/.local/share/slipway/engines, ../engines of the binary, and engines/ upwards from the working folder"`
	Threads         int             `yaml:"threads" doc:"threads of one engine; 0 leaves one core to everything else"`
	ContextLength   int             `yaml:"context_length" doc:"longest context per request, in tokens, for models loaded without one"`
	Parallel        int             `yaml:"parallel" doc:"requests decoded together, for models loaded without a number"`
	BatchTokens     int             `yaml:"batch_tokens" doc:"tokens computed in one step at most"`
	PromptChunk     int             `yaml:"prompt_chunk" doc:"prompt tokens read in one step while other answers are being written"`
	Queue           int             `yaml:"queue" doc:"requests that may wait for a slot of one instance"`
	EmbeddingTokens int             `yaml:"embedding_tokens" doc:"longest text to embed, in tokens; 0 turns embeddings off and saves their buffers"`
	Drain           config.Duration `yaml:"drain" doc:"how long running requests may go on when their instance is unloaded"`
	LogLevel        string          `yaml:"log_level" doc:"of the engine workers: debug shows what the engine itself says"`
}

// Cache is the folder of model files.
type Cache struct {
	Dir string       `yaml:"dir" doc:"folder of model files; empty is models/ in the data folder"`
	Max config.Bytes `yaml:"max" doc:"bound of the folder; files unused for longest make room"`
}

// Memory is what models may use.
type Memory struct {
	Reserve config.Bytes `yaml:"reserve" doc:"memory of the machine that models never get"`
}

// Supervise is how engine workers are kept alive.
type Supervise struct {
	StartTimeout    config.Duration `yaml:"start_timeout" doc:"from the start of a worker to its first token; large models on slow disks need minutes"`
	StallTimeout    config.Duration `yaml:"stall_timeout" doc:"a worker silent for so long is killed and replaced"`
	StepTimeout     config.Duration `yaml:"step_timeout" doc:"an engine that computes one step for so long is killed and replaced"`
	RestartWait     config.Duration `yaml:"restart_wait" doc:"how long a request waits for an engine that is being started again"`
	RestartDelay    config.Duration `yaml:"restart_delay" doc:"before the second restart in a row; the first is immediate, later ones wait twice as long each"`
	RestartDelayMax config.Duration `yaml:"restart_delay_max" doc:"longest wait between restarts"`
	StopGrace       config.Duration `yaml:"stop_grace" doc:"from the request to stop to the kill"`
	CrashLimit      int             `yaml:"crash_limit" doc:"deaths in a row, without an answer in between, after which an instance has failed"`
	CrashWindow     config.Duration `yaml:"crash_window" doc:"time that these deaths must span: a few bad seconds of the machine are no verdict"`
	Attempts        int             `yaml:"attempts" doc:"how often a request is tried whose answer has not begun"`
}

// Default is right for a laptop and for a server that does nothing else.
func Default() Config {
	return Config{
		Engine: Engine{ContextLength: 4096, Parallel: 8, BatchTokens: 512, PromptChunk: 256, Queue: 256, EmbeddingTokens: 512, Drain: config.Duration(30 * time.Second), LogLevel: "info"},
		Cache:  Cache{Max: 64 << 30},
		Memory: Memory{Reserve: 256 << 20},
		Supervise: Supervise{
			StartTimeout: config.Duration(10 * time.Minute), StallTimeout: config.Duration(20 * time.Second), StepTimeout: config.Duration(2 * time.Minute),
			RestartWait: config.Duration(15 * time.Second), RestartDelay: config.Duration(100 * time.Millisecond), RestartDelayMax: config.Duration(10 * time.Second),
			StopGrace: config.Duration(5 * time.Second), CrashLimit: 8, CrashWindow: config.Duration(30 * time.Second), Attempts: 3,
		},
	}
}

// Validate checks the numbers against each other. Warnings are for what works and is probably not meant.
func (c Config) Validate() (warnings []string, err error) {
	const op = "gpuruntime.Config"
	for _, n := range []struct {
		key       string
		value     int
		low, high int
	}{
		{"engine.threads", c.Engine.Threads, 0, 1024},
		{"engine.context_length", c.Engine.ContextLength, 64, 1 << 24},
		{"engine.parallel", c.Engine.Parallel, 1, 256},
		{"engine.batch_tokens", c.Engine.BatchTokens, 32, 1 << 16},
		{"engine.prompt_chunk", c.Engine.PromptChunk, 1, 1 << 16},
		{"engine.queue", c.Engine.Queue, 0, 1 << 20},
		{"engine.embedding_tokens", c.Engine.EmbeddingTokens, 0, 1 << 20},
		{"supervise.crash_limit", c.Supervise.CrashLimit, 1, 1 << 20},
		{"supervise.attempts", c.Supervise.Attempts, 1, 100},
	} {
		if n.value < n.low || n.value > n.high {
			return nil, fault.New(op, fault.Invalid, "%s is %d; it must be from %d to %d", n.key, n.value, n.low, n.high)
		}
	}
	for _, d := range []struct {
		key   string
		value config.Duration
	}{
		{"engine.drain", c.Engine.Drain},
		{"supervise.start_timeout", c.Supervise.StartTimeout},
		{"supervise.stall_timeout", c.Supervise.StallTimeout},
		{"supervise.step_timeout", c.Supervise.StepTimeout},
		{"supervise.restart_wait", c.Supervise.RestartWait},
		{"supervise.restart_delay", c.Supervise.RestartDelay},
		{"supervise.restart_delay_max", c.Supervise.RestartDelayMax},
		{"supervise.stop_grace", c.Supervise.StopGrace},
		{"supervise.crash_window", c.Supervise.CrashWindow},
	} {
		if d.value <= 0 {
			return nil, fault.New(op, fault.Invalid, "%s must be longer than nothing", d.key)
		}
	}
	if c.Cache.Max <= 0 || c.Memory.Reserve < 0 {
		return nil, fault.New(op, fault.Invalid, "cache.max must be positive and memory.reserve not negative")
	}
	if s := c.Supervise.StallTimeout.Std(); s < 3*time.Second {
		warnings = append(warnings, fmt.Sprintf("supervise.stall_timeout is %s: a worker reports every second, and on a busy machine later; it may be killed for no fault of its own", s))
	}
	if c.Engine.PromptChunk > c.Engine.BatchTokens {
		warnings = append(warnings, "engine.prompt_chunk is larger than engine.batch_tokens and has no effect: a long prompt will hold up the answers of others")
	}
	return warnings, nil
}

// storeURL and cacheDir are the places in force.
func (c Config) storeURL(data string) string {
	if c.Store.URL != "" {
		return c.Store.URL
	}
	return "sqlite://" + filepath.Join(data, "gpu-runtime.db")
}

func (c Config) cacheDir(data string) string {
	if c.Cache.Dir != "" {
		return c.Cache.Dir
	}
	return filepath.Join(data, "models")
}
