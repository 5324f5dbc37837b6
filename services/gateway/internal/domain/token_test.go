package domain

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
)

func TestATokenIsPrefixDigitsAndChecksum(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		text := NewTokenText()
		require.Regexp(t, `^slw_[0-9A-Za-z]{49}$`, text)
		require.False(t, seen[text])
		seen[text] = true
		hash, err := ParseToken(text)
		require.NoError(t, err)
		again, err := ParseToken(text)
		require.NoError(t, err)
		require.True(t, hash.Equal(again))
	}
}

func TestTheSmallestAndLargestSecretsFitTheSameWidth(t *testing.T) {
	t.Parallel()
	var zero, full [secretBytes]byte
	for i := range full {
		full[i] = 0xff
	}
	require.Len(t, tokenText(zero), tokenLength)
	require.Len(t, tokenText(full), tokenLength)
	require.True(t, wellFormed(tokenText(zero)))
	require.True(t, wellFormed(tokenText(full)))
	require.NotEqual(t, tokenText(zero), tokenText(full))
	limit := new(big.Int).Exp(big.NewInt(62), big.NewInt(secretDigits), nil)
	require.Positive(t, limit.Cmp(new(big.Int).SetBytes(full[:])), "43 digits must hold 256 bits")
}

func TestMalformedTokensAreUnauthenticatedAndNotEchoed(t *testing.T) {
	t.Parallel()
	good := NewTokenText()
	flipped := []byte(good)
	flipped[10] = map[bool]byte{true: 'b', false: 'a'}[flipped[10] == 'a']
	for name, text := range map[string]string{
		"empty":           "",
		"a word":          "hunter2",
		"prefix only":     TokenPrefix,
		"too short":       good[:len(good)-1],
		"too long":        good + "0",
		"other prefix":    "sk-_" + good[4:],
		"one wrong digit": string(flipped),
		"strange letters": good[:20] + "é" + good[22:],
		"upper prefix":    "SLW_" + good[4:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseToken(text)
			require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
			require.Equal(t, "TOKEN_MALFORMED", fault.Reason(err))
			if len(text) > len(TokenPrefix) {
				require.NotContains(t, err.Error(), text)
			}
		})
	}
}

func TestATokenEndsWhenItExpiresOrIsRevoked(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	require.Empty(t, Token{}.Ended(now))
	require.Empty(t, Token{ExpireTime: now.Add(time.Microsecond)}.Ended(now))
	require.Equal(t, "expired", Token{ExpireTime: now}.Ended(now))
	require.Equal(t, "revoked", Token{ExpireTime: now, RevokeTime: now}.Ended(now))
}

func TestScopesAreSortedAndAllSwallowsTheRest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want string
	}{
		{"", "all"}, {"read,inference,read", "inference, read"}, {"inference,all", "all"}, {"read", "read"},
	} {
		var names []string
		if c.in != "" {
			names = strings.Split(c.in, ",")
		}
		got, err := ParseScopes(names)
		require.NoError(t, err)
		require.Equal(t, c.want, got.String())
	}
	_, err := ParseScopes([]string{"root"})
	require.Equal(t, "SCOPE_INVALID", fault.Reason(err))
}

func TestNoScopeMakesAStrongerOne(t *testing.T) {
	t.Parallel()
	all, read, both := Scopes{ScopeAll}, Scopes{ScopeRead}, Scopes{ScopeInference, ScopeRead}
	require.True(t, all.Covers(read))
	require.True(t, all.Covers(all))
	require.True(t, both.Covers(read))
	require.False(t, read.Covers(both))
	require.False(t, both.Covers(all))
}
