package keys

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

const secret = "sk-proj-0123456789abcdef-very-secret"

// shelf is a Store in memory with the contract's compare-and-set.
type shelf struct {
	mu   sync.Mutex
	sets map[string]domain.Keyset
	lose func() // runs once before a put: the faster process of a race
}

func (s *shelf) Keyset(_ context.Context, name string) (domain.Keyset, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.sets[name]; ok {
		return k, nil
	}
	return domain.Keyset{}, fault.New("shelf", fault.NotFound, "no keyset %s", name)
}

func (s *shelf) PutKeyset(_ context.Context, k domain.Keyset) error {
	if lose := s.lose; lose != nil {
		s.lose = nil
		lose()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sets[k.Name].Revision != k.Revision-1 {
		return fault.New("shelf", fault.Aborted, "another process was faster")
	}
	if s.sets == nil {
		s.sets = map[string]domain.Keyset{}
	}
	s.sets[k.Name] = k
	return nil
}

func master(t *testing.T) *Master {
	t.Helper()
	m, err := LoadMaster("", filepath.Join(t.TempDir(), "master.key"))
	require.NoError(t, err)
	return m
}

func ring(t *testing.T, m *Master, s Store) *Ring {
	t.Helper()
	r, err := OpenRing(t.Context(), "providers", m, s, clock.System())
	require.NoError(t, err)
	return r
}

func TestASealedSecretNeitherShowsNorRepeatsItself(t *testing.T) {
	t.Parallel()
	r := ring(t, master(t), &shelf{})
	a, err := r.Seal(secret, "openai")
	require.NoError(t, err)
	b, err := r.Seal(secret, "openai")
	require.NoError(t, err)
	require.NotEqual(t, a, b)
	require.NotContains(t, string(a), secret)
	require.NotContains(t, string(a), secret[:8])
	got, err := r.Unseal(t.Context(), a, "openai")
	require.NoError(t, err)
	require.Equal(t, secret, got)
}

func TestASecretOpensForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	r := ring(t, master(t), &shelf{})
	sealed, err := r.Seal(secret, "openai")
	require.NoError(t, err)
	_, err = r.Unseal(t.Context(), sealed, "evil")
	require.Equal(t, "SECRET_DAMAGED", fault.Reason(err))
	sealed[len(sealed)-1] ^= 1
	_, err = r.Unseal(t.Context(), sealed, "openai")
	require.Equal(t, fault.DataLoss, fault.KindOf(err))
	require.NotContains(t, err.Error(), secret)
}

func TestAnotherMasterKeyFailsClearly(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	ring(t, master(t), s)
	_, err := OpenRing(t.Context(), "providers", master(t), s, clock.System())
	require.Equal(t, "MASTER_KEY_WRONG", fault.Reason(err))
	require.Equal(t, fault.FailedPrecondition, fault.KindOf(err))
	require.Contains(t, fault.Text(err), "master.key")
}

func TestRotationSealsWithTheNewKeyAndOpensWithTheOld(t *testing.T) {
	t.Parallel()
	s, m := &shelf{}, master(t)
	now := clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	r, err := OpenRing(t.Context(), "providers", m, s, now)
	require.NoError(t, err)
	before, err := r.Seal(secret, "openai")
	require.NoError(t, err)
	now.Advance(time.Hour)
	require.NoError(t, r.Rotate(t.Context()))
	require.Equal(t, now.Now(), r.RotateTime())
	after, err := r.Seal(secret, "openai")
	require.NoError(t, err)
	require.NotEqual(t, before[:5], after[:5], "the key's id leads the text")
	for _, sealed := range [][]byte{before, after} {
		got, err := ring(t, m, s).Unseal(t.Context(), sealed, "openai")
		require.NoError(t, err)
		require.Equal(t, secret, got)
	}
}

func TestAnotherProcessesRotationIsFollowed(t *testing.T) {
	t.Parallel()
	s, m := &shelf{}, master(t)
	slow, fast := ring(t, m, s), ring(t, m, s)
	require.NoError(t, fast.Rotate(t.Context()))
	sealed, err := fast.Seal(secret, "openai")
	require.NoError(t, err)
	got, err := slow.Unseal(t.Context(), sealed, "openai")
	require.NoError(t, err)
	require.Equal(t, secret, got)
}

func TestOfTwoFirstStartsOneMakesTheKeyset(t *testing.T) {
	t.Parallel()
	s, m := &shelf{}, master(t)
	var fast *Ring
	s.lose = func() { fast = ring(t, m, s) }
	slow := ring(t, m, s)
	sealed, err := fast.Seal(secret, "x")
	require.NoError(t, err)
	got, err := slow.Unseal(t.Context(), sealed, "x")
	require.NoError(t, err)
	require.Equal(t, secret, got)
	require.EqualValues(t, 1, s.sets["providers"].Revision)
}

func TestTheMasterKeyFileIsMadeOnceForItsOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master.key")
	s := &shelf{}
	first, err := LoadMaster("", path)
	require.NoError(t, err)
	ring(t, first, s)
	second, err := LoadMaster("", path)
	require.NoError(t, err)
	ring(t, second, s)                        // opens: it is the same key
	require.NoError(t, os.Chmod(path, 0o644)) //nolint:gosec // the fault under test
	_, err = LoadMaster("", path)
	require.Equal(t, "SECRET_FILE_EXPOSED", fault.Reason(err))
}

func TestAMasterKeyComesFromTheConfigurationAndIsNeverShown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master.key")
	_, err := LoadMaster(config.Secret(newMaster()), path)
	require.NoError(t, err)
	require.NoFileExists(t, path)
	for _, bad := range []string{"hunter2", newMaster()[:20], strings.Repeat("A", 400), "!!!!"} {
		_, err := LoadMaster(config.Secret(bad), path)
		require.Equal(t, "MASTER_KEY_INVALID", fault.Reason(err))
		require.NotContains(t, err.Error(), bad)
	}
}
