package page_test

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/page"
)

type key struct {
	Name    string `json:"n"`
	Created int64  `json:"c"`
}

func TestSizeIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ req, want int }{{0, 50}, {1, 1}, {100, 100}, {101, 100}, {math.MaxInt32, 100}} {
		got, err := page.Size(int32(c.req), 50, 100)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	_, err := page.Size(-1, 50, 100)
	require.True(t, fault.Is(err, fault.Invalid))
	got, err := page.Size(0, 50, 10)
	require.NoError(t, err)
	require.Equal(t, 10, got, "the default is bounded too")
}

func TestTokenCarriesAnyKey(t *testing.T) {
	t.Parallel()
	for _, k := range []key{{}, {"m", 1}, {"日本 ü\x00\"", math.MaxInt64}} {
		var got key
		require.NoError(t, page.Decode(page.Encode(k), &got))
		require.Equal(t, k, got)
	}
	first := key{"untouched", 7}
	require.NoError(t, page.Decode("", &first))
	require.Equal(t, key{"untouched", 7}, first)
}

func TestForeignTokenIsInvalid(t *testing.T) {
	t.Parallel()
	raw := base64.RawURLEncoding.EncodeToString
	for name, token := range map[string]string{
		"not base64":         "%%%",
		"not JSON":           raw([]byte("hello")),
		"of another list":    page.Encode(map[string]any{"version": 3}),
		"of another type":    page.Encode(map[string]any{"n": 3}),
		"two values":         raw([]byte(`{"n":"a"}{"n":"b"}`)),
		"larger than a page": raw([]byte(`{"n":"` + strings.Repeat("a", page.MaxToken) + `"}`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := page.Decode(token, &key{})
			require.True(t, fault.Is(err, fault.Invalid), "%v", err)
			require.Equal(t, "PAGE_TOKEN_INVALID", fault.Reason(err))
		})
	}
}

func TestEncodePanicsForAKeyThatIsNoData(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { page.Encode(make(chan int)) })
}
