package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

type store struct {
	URL      config.Secret   `yaml:"url" doc:"where rows are kept"`
	MaxConns int             `yaml:"max_conns" doc:"connections | at most"`
	Timeout  config.Duration `yaml:"timeout" doc:"of a statement"`
}

type webhook struct {
	URL    string        `yaml:"url"`
	Secret config.Secret `yaml:"secret"`
}

type common struct {
	Listen string            `yaml:"listen" doc:"address"`
	Peers  map[string]string `yaml:"peers" doc:"addresses of the others"`
}

type registry struct {
	Store    store        `yaml:"store"`
	MaxBody  config.Bytes `yaml:"max_body" doc:"largest upload"`
	Admins   []string     `yaml:"admins" doc:"who may do everything"`
	Webhooks []webhook    `yaml:"webhooks"`
	Ratio    float64      `yaml:"ratio"`
	Enabled  *bool        `yaml:"enabled"`
	Hidden   string       `yaml:"-"`
	Code     func()       `yaml:"-"`
}

type root struct {
	Common   common   `yaml:",inline"`
	Registry registry `yaml:"registry"`
}

func defaults() root {
	return root{
		Common:   common{Listen: "127.0.0.1:9090"},
		Registry: registry{MaxBody: 16 << 20, Store: store{Timeout: config.Duration(5 * time.Second), MaxConns: 4}},
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "slipway.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestEachSourceIsStrongerThanTheOneBefore(t *testing.T) {
	t.Parallel()
	path := file(t, `
listen: 0.0.0.0:1
peers: {gateway: "dns:///gateway:1"}
registry:
  store: {max_conns: 10, timeout: 1m30s, url: "sqlite:///from/file"}
  max_body: 64KB
  admins: [ana, bo]
  webhooks: [{url: "http://x"}]
`)
	c := defaults()
	require.NoError(t, config.Load(&c, config.Options{
		File: path,
		Environ: []string{
			"SLIPWAY_REGISTRY_STORE_MAX_CONNS=20", "SLIPWAY_REGISTRY_STORE_URL=sqlite:///from/env", "SLIPWAY_REGISTRY_ADMINS=cy, dee",
			"SLIPWAY_PEERS_GPU_RUNTIME=inproc:gpu-runtime", "SLIPWAY_TOKEN=not-a-setting", "PATH=/bin",
		},
		Set: map[string]string{"registry.store.max_conns": "30", "peers.monitor": "inproc:monitor", "registry.ratio": "0.5", "registry.enabled": "true"},
	}))
	require.Equal(t, "0.0.0.0:1", c.Common.Listen)
	require.Equal(t, 30, c.Registry.Store.MaxConns, "flag over environment over file")
	require.Equal(t, "sqlite:///from/env", c.Registry.Store.URL.Reveal())
	require.Equal(t, 90*time.Second, c.Registry.Store.Timeout.Std())
	require.Equal(t, config.Bytes(64000), c.Registry.MaxBody)
	require.Equal(t, []string{"cy", "dee"}, c.Registry.Admins)
	require.Equal(t, map[string]string{"gateway": "dns:///gateway:1", "gpu-runtime": "inproc:gpu-runtime", "monitor": "inproc:monitor"}, c.Common.Peers)
	require.Equal(t, []webhook{{URL: "http://x"}}, c.Registry.Webhooks)
	require.InDelta(t, 0.5, c.Registry.Ratio, 0)
	require.True(t, *c.Registry.Enabled)
}

func TestDefaultsStayWhereNothingIsSet(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# only a comment\n", "registry: {store: {max_conns: 7}}", "---\n"} {
		c := defaults()
		require.NoError(t, config.Load(&c, config.Options{File: file(t, text)}))
		require.Equal(t, 5*time.Second, c.Registry.Store.Timeout.Std())
		require.Equal(t, config.Bytes(16<<20), c.Registry.MaxBody)
	}
}

func TestUnknownKeyNamesItselfItsLineAndItsNeighbour(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"at the top":        {"listen: x\nlisten_on: y\n", `:2: unknown key "listen_on"`},
		"a near miss":       {"registry:\n  stor:\n    url: x\n", `:2: unknown key "registry.stor"; did you mean "registry.store"?`},
		"deep":              {"registry:\n  store:\n    max_cons: 3\n", `:3: unknown key "registry.store.max_cons"; did you mean "registry.store.max_conns"?`},
		"inside a list":     {"registry:\n  webhooks:\n  - url: x\n    tokn: y\n", `:4: unknown key "registry.webhooks.tokn"`},
		"hidden from files": {"registry:\n  hidden: x\n", `:2: unknown key "registry.hidden"`},
		"for code alone":    {"registry:\n  code: x\n", `:2: unknown key "registry.code"`},
		"by an anchor":      {"registry: &r\n  rate: 1\n", `:2: unknown key "registry.rate"; did you mean "registry.ratio"?`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := defaults()
			err := config.Load(&v, config.Options{File: file(t, c.text)})
			require.True(t, fault.Is(err, fault.Invalid), "%v", err)
			require.Contains(t, fault.Text(err), c.want)
		})
	}
}

func TestSectionsOfOtherProgramsAreTheirs(t *testing.T) {
	t.Parallel()
	path := file(t, "gpu_runtime: {whatever: [1]}\nmonitor: {x: y}\nregistry: {ratio: 2}\n")
	c := defaults()
	require.NoError(t, config.Load(&c, config.Options{File: path, IgnoreSections: []string{"gpu-runtime", "monitor"}}))
	require.InDelta(t, 2, c.Registry.Ratio, 0)
	require.ErrorContains(t, config.Load(&c, config.Options{File: path, IgnoreSections: []string{"monitor"}}), `unknown key "gpu_runtime"`)
}

func TestWrongValuesNameTheirPlaceAndNotThemselves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o    config.Options
		want string
	}{
		"file, wrong type":    {config.Options{File: file(t, "registry:\n  store: {max_conns: many}\n")}, ":2: registry.store.max_conns: want an integer"},
		"file, bad duration":  {config.Options{File: file(t, "\nregistry: {store: {timeout: 5}}\n")}, `:2: registry.store.timeout: "5" is not a duration such as`},
		"file, not a section": {config.Options{File: file(t, "registry: 3\n")}, ":1: registry: want a section"},
		"file, not a list":    {config.Options{File: file(t, "registry: {webhooks: {url: x}}\n")}, ":1: registry.webhooks: want a list of section"},
		"file, in a list":     {config.Options{File: file(t, "registry:\n  webhooks:\n  - {url: [x]}\n")}, ":3: registry.webhooks.url: want a string"},
		"file, of peers":      {config.Options{File: file(t, "peers: {a: [x]}\n")}, ":1: peers.a: want a string"},
		"file, secret astray": {config.Options{File: file(t, "registry: {ratio: hunter2}\n")}, ":1: registry.ratio: want a number"},
		"file, all wrong":     {config.Options{File: file(t, "- listen\n")}, ":1: the file: want a section"},
		"file, twice":         {config.Options{File: file(t, "listen: a\nlisten: b\n")}, "listen"},
		"file, not yaml":      {config.Options{File: file(t, "a: [\n")}, "line"},
		"environment":         {config.Options{Environ: []string{"SLIPWAY_REGISTRY_STORE_MAX_CONNS=many"}}, "SLIPWAY_REGISTRY_STORE_MAX_CONNS"},
		"flag":                {config.Options{Set: map[string]string{"registry.max_body": "16 apples"}}, "registry.max_body"},
		"flag, unknown":       {config.Options{Set: map[string]string{"registry.store.ulr": "x"}}, `did you mean "registry.store.url"?`},
		"flag, a section":     {config.Options{Set: map[string]string{"registry.store": "x"}}, "section"},
		"flag, list of parts": {config.Options{Set: map[string]string{"registry.webhooks": "[{ur: x}]"}}, "unknown key"},
		"secret from no file": {config.Options{Environ: []string{"SLIPWAY_REGISTRY_STORE_URL_FILE=/nowhere"}}, "SLIPWAY_REGISTRY_STORE_URL_FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := defaults()
			err := config.Load(&v, c.o)
			require.True(t, fault.Is(err, fault.Invalid), "%v", err)
			require.Contains(t, fault.Text(err), c.want)
			require.NotContains(t, fault.Text(err), "\n")
			require.NotContains(t, fault.Text(err), "hunter2")
		})
	}
}

func TestMissingFileIsNotFound(t *testing.T) {
	t.Parallel()
	c := defaults()
	require.True(t, fault.Is(config.Load(&c, config.Options{File: "/nowhere/slipway.yaml"}), fault.NotFound))
}

func TestSecretMayComeFromAFile(t *testing.T) {
	t.Parallel()
	path := file(t, "postgres://u:p@h/d\n")
	c := defaults()
	require.NoError(t, config.Load(&c, config.Options{Environ: []string{"SLIPWAY_REGISTRY_STORE_URL_FILE=" + path}}))
	require.Equal(t, "postgres://u:p@h/d", c.Registry.Store.URL.Reveal())
}

func TestKeysListsASectionBeforeLoading(t *testing.T) {
	t.Parallel()
	path := file(t, "peers: {registry: a, gpu-runtime: b}\nlisten: x\n")
	keys, err := config.Keys(path, "peers")
	require.NoError(t, err)
	require.Equal(t, []string{"registry", "gpu-runtime"}, keys)
	keys, err = config.Keys(path, "")
	require.NoError(t, err)
	require.Equal(t, []string{"peers", "listen"}, keys)
	for _, p := range []string{"nothing", "peers.registry.x", "listen"} {
		keys, err = config.Keys(path, p)
		require.NoError(t, err)
		require.Empty(t, keys)
	}
}

func TestReferenceIsTheManual(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	c := defaults()
	c.Registry.Store.URL = "postgres://user:hunter2@host/db"
	require.NoError(t, config.Reference(&b, &c))
	text := b.String()
	require.Contains(t, text, "| `registry.store.timeout` | duration | `5s` | `SLIPWAY_REGISTRY_STORE_TIMEOUT` | of a statement |\n")
	require.Contains(t, text, "| `registry.max_body` | size | `16MiB` | `SLIPWAY_REGISTRY_MAX_BODY` | largest upload |\n")
	require.Contains(t, text, "| `registry.store.max_conns` | integer | `4` | `SLIPWAY_REGISTRY_STORE_MAX_CONNS` | connections \\| at most |\n")
	require.Contains(t, text, "| `peers` | map to string |  | `SLIPWAY_PEERS_*` |")
	require.Contains(t, text, "| `registry.webhooks` | list of section |")
	require.Contains(t, text, "| secret | `'[redacted]'` |")
	require.NotContains(t, text, "hunter2")
	require.NotContains(t, text, "hidden")
	require.NotContains(t, text, "code")
}

func TestLoadAndReferenceWantAPointerToAStruct(t *testing.T) {
	t.Parallel()
	require.True(t, fault.Is(config.Load(defaults(), config.Options{}), fault.Internal))
	require.True(t, fault.Is(config.Reference(&strings.Builder{}, 7), fault.Internal))
}
