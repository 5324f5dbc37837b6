package secretfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
)

func TestASecretFileIsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "admin.token")
	require.NoError(t, Create(path, "hunter2"))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	got, err := Read(path)
	require.NoError(t, err)
	require.Equal(t, "hunter2", got)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary may stay behind")
}

func TestCreateKeepsWhatIsThereAndReplaceDoesNot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, Create(path, "first"))
	require.ErrorIs(t, Create(path, "second"), fs.ErrExist)
	got, err := Read(path)
	require.NoError(t, err)
	require.Equal(t, "first", got)
	require.NoError(t, Replace(path, "third"))
	got, err = Read(path)
	require.NoError(t, err)
	require.Equal(t, "third", got)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestAFileThatOthersCanReadIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte("hunter2"), 0o600))
	require.NoError(t, os.Chmod(path, 0o640)) //nolint:gosec // the fault under test
	_, err := Read(path)
	require.Equal(t, "SECRET_FILE_EXPOSED", fault.Reason(err))
	require.NotContains(t, err.Error(), "hunter2")
}

func TestReadSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := Read(filepath.Join(t.TempDir(), "nothing"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Read(t.TempDir())
	require.True(t, fault.Is(err, fault.FailedPrecondition))
}
