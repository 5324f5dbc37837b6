package domain_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

func TestAVersionLivesForwardOnly(t *testing.T) {
	t.Parallel()
	states := []domain.Status{domain.Pending, domain.Ready, domain.Failed, domain.Archived}
	may := map[[2]domain.Status]bool{{domain.Pending, domain.Ready}: true, {domain.Pending, domain.Failed}: true, {domain.Ready, domain.Archived}: true}
	for _, from := range states {
		for _, to := range states {
			require.Equal(t, may[[2]domain.Status{from, to}], from.MayBecome(to), "%s to %s", from, to)
		}
		v := domain.ModelVersion{Status: from, Version: 1}
		require.Equal(t, from == domain.Pending, v.RequirePending("t") == nil)
		require.Equal(t, from == domain.Ready, v.RequireReady("t") == nil)
		require.Equal(t, from == domain.Ready || from == domain.Archived, v.RequireLoadable("t") == nil)
	}
}

func TestTheFilesOfAVersionAreComparedWithWhatIsExpected(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	have := []domain.ArtifactFile{{Path: "x", Size: 1, SHA256: a}, {Path: "y/z", Size: 2, SHA256: b}}
	for name, c := range map[string]struct {
		files, expected []domain.ArtifactFile
		kind            fault.Kind
		says            string
	}{
		"nothing expected":            {have, nil, "", ""},
		"as expected":                 {have, []domain.ArtifactFile{have[1], have[0]}, "", ""},
		"a digest not said":           {have, []domain.ArtifactFile{have[0], {Path: "y/z", Size: 2}}, "", ""},
		"no files":                    {nil, nil, fault.FailedPrecondition, "no files"},
		"one is missing":              {have[:1], have, fault.FailedPrecondition, `"y/z" is expected and has not been uploaded`},
		"one too many":                {have, have[:1], fault.Invalid, `"y/z" has been uploaded and is not expected`},
		"another size":                {have, []domain.ArtifactFile{{Path: "x", Size: 9, SHA256: a}, have[1]}, fault.Invalid, `"x" has 1 bytes, expected 9`},
		"another digest":              {have, []domain.ArtifactFile{{Path: "x", Size: 1, SHA256: b}, have[1]}, fault.Invalid, `"x" has SHA-256 ` + a},
		"expected twice":              {have[:1], []domain.ArtifactFile{have[0], have[0]}, fault.FailedPrecondition, `"x" is expected`},
		"a file that is a folder":     {[]domain.ArtifactFile{{Path: "a/b", Size: 1}, {Path: "a", Size: 1}}, nil, fault.Invalid, `"a" is a file and also the folder of "a/b"`},
		"names that only begin alike": {[]domain.ArtifactFile{{Path: "a"}, {Path: "ab"}, {Path: "a.b/c"}}, nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := domain.CheckFiles("t", c.files, c.expected)
			require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
			require.Contains(t, fault.Text(err), c.says)
		})
	}
}

func TestDigestsAndFormatsAreChecked(t *testing.T) {
	t.Parallel()
	got, err := domain.ParseSHA256(strings.Repeat("AB", 32))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("ab", 32), got)
	_, err = domain.ParseSHA256("")
	require.NoError(t, err)
	for _, bad := range []string{"ab", strings.Repeat("g", 64), strings.Repeat("a", 63), "0x" + strings.Repeat("a", 62)} {
		_, err := domain.ParseSHA256(bad)
		require.True(t, fault.Is(err, fault.Invalid))
	}
	require.NoError(t, domain.CheckFormat("gguf"))
	require.True(t, fault.Is(domain.CheckFormat("pickle"), fault.Invalid))
}

func TestEntitiesHaveOneNameEach(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"models:/a.b.c/3": "models:/a.b.c/3", "models:/a.b.c@prod": "models:/a.b.c/9", "prompts:/a.b.cafe\u0301/1": "prompts:/a.b.café/1",
		"endpoints:/e": "endpoints:/e", "table:/any/path of it": "table:/any/path of it", "run:/7": "run:/7",
	} {
		e, err := domain.ParseEntity(uri)
		require.NoError(t, err, uri)
		require.Equal(t, want, e.URI(9))
		require.Equal(t, strings.HasPrefix(uri, "table") || strings.HasPrefix(uri, "run"), e.Outside())
	}
	for _, bad := range []string{"", "models:/a.b.c", "models:/a.b/1", "endpoints:/a.b", "table:/", "file:/x", "models", "run:/a\nb", "run:/\xff", "run:/" + strings.Repeat("a", 1024)} {
		_, err := domain.ParseEntity(bad)
		require.True(t, fault.Is(err, fault.Invalid), bad)
	}
	_, err := domain.ParseRelation("likes")
	require.True(t, fault.Is(err, fault.Invalid))

	for source, want := range map[string]domain.Relation{
		"models:/a.b.c/1": domain.DerivedFrom, "run:/1": domain.DerivedFrom, "table:/t": domain.TrainedOn, "https://example.org/x": "", "models:/m-123abc": "", "": "",
	} {
		_, relation, ok := domain.SourceEntity(source)
		require.Equal(t, want, relation)
		require.Equal(t, want != "", ok)
	}
}
