package auth_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/auth"
)

func TestPrincipalSurvivesTheWire(t *testing.T) {
	t.Parallel()
	for _, p := range []auth.Principal{
		{Name: "ana", Kind: auth.User, Groups: []string{"admins", "data science"}, Scopes: []string{"inference"}},
		{Name: "日本 ü\"", Kind: auth.ServiceAccount},
		auth.Service("serving"),
	} {
		text := auth.Encode(p)
		for _, c := range text {
			require.True(t, c > ' ' && c < 0x7f, "metadata is printable ASCII")
		}
		got, err := auth.Decode(text)
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
}

func TestDecodeRefusesWhatIsNoPrincipal(t *testing.T) {
	t.Parallel()
	raw := base64.RawURLEncoding.EncodeToString
	for name, text := range map[string]string{
		"empty":        "",
		"not base64":   "ä",
		"not JSON":     raw([]byte("ana")),
		"no name":      raw([]byte(`{"kind":"user"}`)),
		"no kind":      raw([]byte(`{"name":"ana"}`)),
		"unknown kind": raw([]byte(`{"name":"ana","kind":"root"}`)),
		"too long":     raw([]byte(`{"name":"` + strings.Repeat("a", auth.MaxEncoded) + `","kind":"user"}`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.Decode(text)
			require.Error(t, err)
		})
	}
}

func TestAdminsAndServicesMayDoEverything(t *testing.T) {
	t.Parallel()
	require.True(t, auth.Service("serving").IsAdmin())
	require.True(t, auth.Principal{Name: "a", Kind: auth.User, Groups: []string{"x", auth.Admins}}.IsAdmin())
	require.False(t, auth.Principal{Name: "admin", Kind: auth.User}.IsAdmin(), "a name is not a right")
	require.False(t, auth.Principal{Name: "a", Kind: auth.ServiceAccount, Groups: []string{"x"}}.IsAdmin())
	require.False(t, auth.Principal{}.IsAdmin())
}

func TestACredentialWithoutScopesIsForEverything(t *testing.T) {
	t.Parallel()
	require.True(t, auth.Principal{}.HasScope("inference"))
	narrow := auth.Principal{Scopes: []string{"inference"}}
	require.True(t, narrow.HasScope("inference"))
	require.False(t, narrow.HasScope("admin"))
}

func TestContextCarriesThePrincipal(t *testing.T) {
	t.Parallel()
	_, ok := auth.From(context.Background())
	require.False(t, ok)
	ctx := auth.With(context.Background(), auth.Service("monitor"))
	p, ok := auth.From(ctx)
	require.True(t, ok)
	require.Equal(t, auth.Service("monitor"), p)
}
