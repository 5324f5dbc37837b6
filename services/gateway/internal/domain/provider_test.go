package domain

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
)

func TestABaseURLIsWrittenOneWay(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://api.openai.com/v1":   "https://api.openai.com/v1",
		"https://API.OpenAI.com/v1//": "https://api.openai.com/v1",
		" http://127.0.0.1:8000/ ":    "http://127.0.0.1:8000",
		"http://[::1]:8000/v1":        "http://[::1]:8000/v1",
		"https://host/a/b":            "https://host/a/b",
	} {
		got, err := BaseURL(in, false)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
}

func TestABaseURLThatLeaksOrIsNoPlaceIsRefused(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "api.openai.com", "ftp://host/v1", "file:///etc/passwd", "https://", "https:///v1", "http:host",
		"https://user:hunter2@host/v1", "https://user@host", "https://host/v1?key=hunter2", "https://host/v1?", "https://host/v1#hunter2",
		"https://ho st/", "http://[::1", "javascript:alert(1)",
	} {
		_, err := BaseURL(raw, true)
		require.Equal(t, "BASE_URL_INVALID", fault.Reason(err), raw)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestMetadataAddressesAreRefusedUnlessAllowed(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"http://169.254.169.254/latest", "http://[fe80::1%25eth0]/", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/",
		"http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://metadata.google.internal./v1", "http://METADATA.google.internal",
	} {
		_, err := BaseURL(raw, false)
		require.Equal(t, "BASE_URL_FORBIDDEN", fault.Reason(err), raw)
		_, err = BaseURL(raw, true)
		require.NoError(t, err, raw)
	}
	for _, ok := range []string{"10.0.0.1", "127.0.0.1", "8.8.8.8", "fd00::1", "::1"} {
		require.False(t, MetadataAddress(netip.MustParseAddr(ok)), ok)
	}
}

func TestAKeyHintShowsTooLittleToUse(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"": "", "short": "…", "exactly-19-letters!": "…", "sk-proj-0123456789abcdef9f3a": "sk-…9f3a",
	} {
		require.Equal(t, want, KeyHint(key))
	}
	require.Equal(t, "API_KEY_INVALID", fault.Reason(CheckKey("a b")))
	require.Equal(t, "API_KEY_INVALID", fault.Reason(CheckKey("a\r\nX-Evil: 1")))
	require.NoError(t, CheckKey("sk-abc_DEF.123"))
}
