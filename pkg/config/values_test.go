package config_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/slipway-ai/slipway/pkg/config"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const text = "hunter2"
	type holder struct {
		Key  config.Secret            `json:"key" yaml:"key" xml:"key"`
		Ptr  *config.Secret           `json:"ptr" yaml:"ptr" xml:"ptr"`
		Many []config.Secret          `json:"many" yaml:"many" xml:"many"`
		Map  map[string]config.Secret `json:"map" yaml:"map" xml:"-"`
	}
	s := config.Secret(text)
	h := holder{Key: s, Ptr: &s, Many: []config.Secret{s}, Map: map[string]config.Secret{"k": s}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s"} {
		for _, v := range []any{s, &s, h, &h, h.Many, h.Map} {
			out := fmt.Sprintf(verb, v)
			require.NotContains(t, out, text, verb)
			require.NotContains(t, out, fmt.Sprintf("%x", text), verb)
		}
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("m", "secret", s, "pointer", &s, "holder", h, "many", h.Many)
	}
	js, err := json.Marshal(h)
	require.NoError(t, err)
	ym, err := yaml.Marshal(h)
	require.NoError(t, err)
	xm, err := xml.Marshal(h)
	require.NoError(t, err)
	for _, out := range []string{log.String(), string(js), string(ym), string(xm), fmt.Sprint(errors.New(s.String())), fmt.Errorf("%w: %v", errors.New("x"), h).Error()} {
		require.NotContains(t, out, text)
		require.Contains(t, out+config.Redacted, config.Redacted)
	}
	require.Contains(t, log.String(), config.Redacted)
	require.Equal(t, text, s.Reveal())
	require.Empty(t, config.Secret("").String(), "an unset secret is seen to be unset")
}

func TestDurationNeedsItsUnit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"250ms": 250 * time.Millisecond, "5s": 5 * time.Second, "1h30m": 90 * time.Minute, "0": 0, "-1s": -time.Second} {
		var d config.Duration
		require.NoError(t, d.UnmarshalText([]byte(text)))
		require.Equal(t, want, d.Std())
		again, err := d.MarshalText()
		require.NoError(t, err)
		require.NoError(t, d.UnmarshalText(again))
		require.Equal(t, want, d.Std())
	}
	for _, text := range []string{"5", "", "soon", "5 s"} {
		var d config.Duration
		require.Error(t, d.UnmarshalText([]byte(text)), text)
	}
}

func TestBytesReadsBothKindsOfUnit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Bytes{
		"0": 0, "4096": 4096, "64KB": 64000, "16MiB": 16 << 20, "1.5GiB": 3 << 29, "2 TiB": 2 << 40, "10B": 10, "9223372036854775807": 1<<63 - 1,
	} {
		var b config.Bytes
		require.NoError(t, b.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, b)
		again, err := b.MarshalText()
		require.NoError(t, err)
		var back config.Bytes
		require.NoError(t, back.UnmarshalText(again), "%s", again)
		require.Equal(t, want, back)
	}
	for _, text := range []string{"", "MiB", "-1", "-1KB", "1.5", "16 apples", "9223372036854775808", "9999999TiB", "NaNKB", "InfGB"} {
		var b config.Bytes
		require.Error(t, b.UnmarshalText([]byte(text)), text)
	}
	require.Equal(t, "16MiB", config.Bytes(16<<20).String())
	require.Equal(t, "1000", config.Bytes(1000).String())
}
