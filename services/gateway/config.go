package gateway

import (
	"net"
	"path/filepath"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/front"
)

// Config is what an operator sets. Default is right for a laptop.
type Config struct {
	HTTP      string          `yaml:"http" doc:"address of the HTTP port: the API, the model surfaces, health and metrics"`
	GRPC      string          `yaml:"grpc" doc:"address of the public gRPC port"`
	Auth      AuthMode        `yaml:"auth" doc:"token: every caller shows a token; none: whoever reaches the ports is an admin, allowed on loopback only"`
	TLS       TLSConfig       `yaml:"tls"`
	Store     StoreConfig     `yaml:"store"`
	Tokens    TokensConfig    `yaml:"tokens"`
	Access    AccessConfig    `yaml:"access"`
	Keys      KeysConfig      `yaml:"keys"`
	Providers ProvidersConfig `yaml:"providers"`
	Limits    LimitsConfig    `yaml:"limits"`
	Log       LogConfig       `yaml:"log"`
}

// AuthMode says how callers are known.
type AuthMode string

// The modes.
const (
	AuthToken AuthMode = "token"
	AuthNone  AuthMode = "none"
)

// TLSConfig is the certificate of the public ports.
type TLSConfig struct {
	CertFile string `yaml:"cert_file" doc:"PEM file of the certificate chain shown on both public ports; empty for plaintext"`
	KeyFile  string `yaml:"key_file" doc:"PEM file of its private key"`
}

// StoreConfig says where principals, tokens and providers are kept.
type StoreConfig struct {
	URL config.Secret `yaml:"url" doc:"sqlite:///path/x.db or postgres://…; empty is gateway.db in the data folder"`
}

// TokensConfig is about tokens.
type TokensConfig struct {
	AdminFile string          `yaml:"admin_file" doc:"file that the first start writes an admin's token to; empty is admin.token in the data folder"`
	TTL       config.Duration `yaml:"ttl" doc:"how long a token is believed without asking the store: the longest time that one revoked at another gateway still works here"`
	Cached    int             `yaml:"cached" doc:"tokens kept in memory"`
}

// AccessConfig is about the registry's decisions.
type AccessConfig struct {
	TTL    config.Duration `yaml:"ttl" doc:"how long a decision counts when no event of the registry says otherwise; at most 10s"`
	Stale  config.Duration `yaml:"stale" doc:"how long a decision counts while the registry cannot be asked; 0 refuses when the ttl is over"`
	Cached int             `yaml:"cached" doc:"decisions kept in memory"`
}

// KeysConfig is about the key that encrypts providers' keys.
type KeysConfig struct {
	Master     config.Secret   `yaml:"master" doc:"master key, 32 bytes in base64; several gateways on one store need the same. Empty uses the file"`
	MasterFile string          `yaml:"master_file" doc:"file of the master key, made at the first start; empty is master.key in the data folder"`
	Rotate     config.Duration `yaml:"rotate" doc:"age at which a start adds a new data key; older ones still decrypt. 0 never does"`
}

// ProvidersConfig is about external providers.
type ProvidersConfig struct {
	AllowLinkLocal bool `yaml:"allow_link_local" doc:"let a provider's base URL be a link-local or cloud metadata address"`
}

// LimitsConfig bounds what callers may ask.
type LimitsConfig struct {
	RequestsPerMinute int             `yaml:"requests_per_minute" doc:"requests to models per minute of a principal that has no limit of its own; -1 is unlimited"`
	APIBody           config.Bytes    `yaml:"api_body" doc:"largest JSON body of the API, and largest gRPC message"`
	ModelBody         config.Bytes    `yaml:"model_body" doc:"largest body of a request to a model"`
	ModelAnswer       config.Bytes    `yaml:"model_answer" doc:"largest answer of a provider that is not streamed"`
	Artifact          config.Bytes    `yaml:"artifact" doc:"largest file of a model version; 0 leaves it to the registry"`
	APITimeout        config.Duration `yaml:"api_timeout" doc:"longest time of an API call whose caller set none"`
	ModelTimeout      config.Duration `yaml:"model_timeout" doc:"from a model request's admission to its last byte"`
	RetryWindow       config.Duration `yaml:"retry_window" doc:"how long a request waits for an engine to come back before its first token"`
}

// Durability says when a request's row is safe.
type Durability string

// The durabilities.
const (
	Strict Durability = "strict"
	Group  Durability = "group"
)

// LogConfig is about the write-ahead log of requests.
type LogConfig struct {
	Dir        string       `yaml:"dir" doc:"folder of the log; empty is wal in the data folder"`
	Durability Durability   `yaml:"durability" doc:"strict: an answer's last byte waits until its row is on the disk, one sync for all who wait; group: it does not wait, a power cut may lose the last milliseconds"`
	Segment    config.Bytes `yaml:"segment" doc:"size at which the log begins a new file"`
	Max        config.Bytes `yaml:"max" doc:"disk space of rows that the monitor has not taken yet; near it bodies are left out, at it new requests are refused"`
	KeepBody   config.Bytes `yaml:"keep_body" doc:"how much of a request's and of an answer's body a row keeps"`
}

// Default is a laptop: loopback only, tokens asked for, everything in the data folder.
func Default() Config {
	return Config{
		HTTP: "127.0.0.1:8080", GRPC: "127.0.0.1:9090", Auth: AuthToken,
		Tokens: TokensConfig{TTL: config.Duration(3 * time.Second), Cached: 100_000},
		Access: AccessConfig{TTL: config.Duration(10 * time.Second), Stale: config.Duration(time.Minute), Cached: 100_000},
		Keys:   KeysConfig{Rotate: config.Duration(90 * 24 * time.Hour)},
		Limits: LimitsConfig{
			RequestsPerMinute: 6000, APIBody: 4 << 20, ModelBody: 16 << 20, ModelAnswer: 64 << 20,
			APITimeout: config.Duration(2 * time.Minute), ModelTimeout: config.Duration(5 * time.Minute), RetryWindow: config.Duration(15 * time.Second),
		},
		Log: LogConfig{Durability: Strict, Segment: 64 << 20, Max: 4 << 30, KeepBody: 1 << 20},
	}
}

const (
	maxAccessTTL = 10 * time.Second
	maxTokenTTL  = time.Minute
)

// Validate refuses what cannot work or would open the house, and warns of what is unwise.
func (c Config) Validate() (warnings []string, err error) {
	for _, check := range []func() error{c.checkPorts, c.checkCaches, c.checkLimits, c.checkLog} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return c.warnings(), nil
}

func bad(format string, args ...any) error {
	return fault.New("gateway.Config", fault.Invalid, format, args...).WithReason("CONFIG_INVALID")
}

func (c Config) checkPorts() error {
	for key, address := range map[string]string{"http": c.HTTP, "grpc": c.GRPC} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return bad("gateway.%s must be host:port, not %q", key, address)
		}
	}
	switch c.Auth {
	case AuthToken:
	case AuthNone:
		for key, address := range map[string]string{"http": c.HTTP, "grpc": c.GRPC} {
			if !front.Loopback(address) {
				return bad("gateway.auth is none and gateway.%s is %s: without tokens both ports must be on loopback (127.0.0.1, ::1 or localhost), because everybody who reaches them is an admin", key, address)
			}
		}
	default:
		return bad("gateway.auth must be token or none, not %q", c.Auth)
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		return bad("gateway.tls needs cert_file and key_file, or neither")
	}
	return nil
}

func (c Config) checkCaches() error {
	switch {
	case c.Tokens.TTL < 0 || c.Tokens.TTL.Std() > maxTokenTTL:
		return bad("gateway.tokens.ttl must be from 0s to %s: a revoked token must not live on", maxTokenTTL)
	case c.Access.TTL < 0 || c.Access.TTL.Std() > maxAccessTTL:
		return bad("gateway.access.ttl must be from 0s to %s: a grant that was taken must not live on", maxAccessTTL)
	case c.Access.Stale < 0:
		return bad("gateway.access.stale must not be negative")
	case c.Tokens.Cached < 1 || c.Access.Cached < 1:
		return bad("gateway.tokens.cached and gateway.access.cached must be at least 1")
	case c.Keys.Rotate < 0:
		return bad("gateway.keys.rotate must not be negative")
	case c.Keys.Master != "" && c.Keys.MasterFile != "":
		return bad("gateway.keys.master and gateway.keys.master_file are both set: which one is it?")
	}
	return nil
}

func (c Config) checkLimits() error {
	if c.Limits.RequestsPerMinute == 0 || c.Limits.RequestsPerMinute < -1 {
		return bad("gateway.limits.requests_per_minute must be positive, or -1 for no limit")
	}
	for key, size := range map[string]config.Bytes{"api_body": c.Limits.APIBody, "model_body": c.Limits.ModelBody, "model_answer": c.Limits.ModelAnswer} {
		if size < 1024 || size > 1<<30 {
			return bad("gateway.limits.%s must be from 1KiB to 1GiB", key)
		}
	}
	if c.Limits.Artifact < 0 {
		return bad("gateway.limits.artifact must not be negative")
	}
	for key, d := range map[string]config.Duration{"api_timeout": c.Limits.APITimeout, "model_timeout": c.Limits.ModelTimeout, "retry_window": c.Limits.RetryWindow} {
		if d <= 0 {
			return bad("gateway.limits.%s must be positive", key)
		}
	}
	return nil
}

func (c Config) checkLog() error {
	switch {
	case c.Log.Durability != Strict && c.Log.Durability != Group:
		return bad("gateway.log.durability must be strict or group, not %q", c.Log.Durability)
	case c.Log.Segment < 64<<10 || c.Log.Segment > 1<<30:
		return bad("gateway.log.segment must be from 64KiB to 1GiB")
	case c.Log.Max < 4*c.Log.Segment:
		return bad("gateway.log.max must hold at least four segments")
	case c.Log.KeepBody < 0 || c.Log.KeepBody > 64<<20:
		return bad("gateway.log.keep_body must be from 0 to 64MiB")
	}
	return nil
}

func (c Config) warnings() (w []string) {
	if c.Auth == AuthNone {
		w = append(w, "gateway.auth is none: every program on this machine is an admin of the platform")
	}
	if c.TLS.CertFile == "" && !(front.Loopback(c.HTTP) && front.Loopback(c.GRPC)) {
		w = append(w, "the public ports are reached beyond this machine without TLS: tokens travel readable; set gateway.tls, or put a proxy that speaks TLS before them")
	}
	if c.Log.Durability == Group {
		w = append(w, "gateway.log.durability is group: a power cut may lose the rows of the last milliseconds of answered requests")
	}
	if c.Limits.RequestsPerMinute == -1 {
		w = append(w, "gateway.limits.requests_per_minute is -1: principals without a limit of their own have none")
	}
	if c.Access.Stale.Std() > 5*time.Minute {
		w = append(w, "gateway.access.stale is longer than 5m: while the registry is away, grants that were taken live on that long")
	}
	if c.Providers.AllowLinkLocal {
		w = append(w, "gateway.providers.allow_link_local is on: an admin of the platform can read this machine's cloud credentials through a provider")
	}
	return w
}

// in is a configured path, or a name in the data folder.
func in(data, configured, name string) string {
	if configured != "" {
		return configured
	}
	return filepath.Join(data, name)
}

func (c Config) storeURL(data string) string {
	if c.Store.URL != "" {
		return c.Store.URL.Reveal()
	}
	return "sqlite://" + filepath.ToSlash(filepath.Join(data, "gateway.db"))
}
