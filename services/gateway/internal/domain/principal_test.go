package domain

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
)

func TestAPrincipalIsCheckedAndItsGroupsPutInOrder(t *testing.T) {
	t.Parallel()
	p, err := Principal{Name: "ana@example.com", Groups: []string{"b", "a", "b"}}.Checked()
	require.NoError(t, err)
	require.Equal(t, User, p.Kind)
	require.Equal(t, []string{"a", "b"}, p.Groups)
	none, err := Principal{Name: "svc", Kind: ServiceAccount}.Checked()
	require.NoError(t, err)
	require.NotNil(t, none.Groups)
}

func TestWrongPrincipalsAreInvalid(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]Principal{
		"NAME_INVALID":  {Name: ""},
		"NAME_RESERVED": {Name: "admins"},
		"KIND_INVALID":  {Name: "x", Kind: "internal"},
		"LIMIT_INVALID": {Name: "x", RequestsPerMinute: -2},
	} {
		_, err := p.Checked()
		require.Equal(t, want, fault.Reason(err), "%+v", p)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
	for _, g := range []string{"", " a", "a\n", "a\x00", strings.Repeat("g", 256), "\xff"} {
		_, err := Principal{Name: "x", Groups: []string{g}}.Checked()
		require.Equal(t, "NAME_INVALID", fault.Reason(err), "%q", g)
	}
	_, err := Principal{Name: "me"}.Checked()
	require.Equal(t, "NAME_RESERVED", fault.Reason(err))
}

func TestADisabledAdminIsNone(t *testing.T) {
	t.Parallel()
	require.True(t, Principal{Groups: []string{Admins}}.IsAdmin())
	require.False(t, Principal{Groups: []string{Admins}, Disabled: true}.IsAdmin())
	require.False(t, Principal{Groups: []string{"administrators"}}.IsAdmin())
}
