package domain_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

func TestFullNamesAreCheckedAndNormalized(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"main.demo.chat":                        "main.demo.chat",
		"Main.Demo.Chat":                        "Main.Demo.Chat",
		"a-b.c_d.0":                             "a-b.c_d.0",
		"日本.größe.модель":                       "日本.größe.модель",
		"cafe\u0301.x.y":                        "café.x.y",
		"हिन्दी.x.y":                            "हिन्दी.x.y",
		strings.Repeat("n", 255) + ".x.y":       strings.Repeat("n", 255) + ".x.y",
		strings.Repeat("e\u0301", 127) + ".x.y": strings.Repeat("é", 127) + ".x.y",
	} {
		ref, err := domain.ParseRef(domain.TypeModel, in)
		require.NoError(t, err, in)
		require.Equal(t, domain.Ref{Type: domain.TypeModel, FullName: want}, ref)
	}
	for name, in := range map[string]string{
		"two levels": "a.b", "four levels": "a.b.c.d", "an empty level": "a..c", "nothing": "", "a space": "a.b.c d", "a slash": "a.b.c/d",
		"an at": "a.b.c@d", "a percent": "a.b.%41", "a NUL": "a.b.\x00", "broken UTF-8": "a.b.\xff", "a line break": "a.b.c\n",
		"a mark alone": "a.b.\u0301", "an emoji": "a.b.🚀", "a zero-width joiner": "a.b.c\u200dd", "right-to-left override": "a.b.\u202ec",
		"256 bytes": "a.b." + strings.Repeat("n", 256), "256 bytes of two-byte letters": "a.b." + strings.Repeat("é", 128),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := domain.ParseRef(domain.TypeModel, in)
			require.Equal(t, fault.Invalid, fault.KindOf(err))
			require.Equal(t, "NAME_INVALID", fault.Reason(err))
		})
	}
}

func TestEachTypeHasItsLevels(t *testing.T) {
	t.Parallel()
	for typ, full := range map[domain.SecurableType]string{
		domain.TypeMetastore: "", domain.TypeCatalog: "a", domain.TypeSchema: "a.b", domain.TypeModel: "a.b.c", domain.TypePrompt: "a.b.c", domain.TypeEndpoint: "a",
	} {
		ref, err := domain.ParseRef(typ, full)
		require.NoError(t, err)
		path := ref.Path()
		require.Equal(t, domain.TypeMetastore, path[0].Type)
		require.Equal(t, ref, path[len(path)-1])
		for _, level := range path {
			again, err := domain.ParseRef(level.Type, level.FullName)
			require.NoError(t, err)
			require.Equal(t, level, again)
		}
		_, err = domain.ParseRef(typ, full+".x")
		require.True(t, fault.Is(err, fault.Invalid))
	}
	_, err := domain.ParseRef("table", "a")
	require.Equal(t, "SECURABLE_INVALID", fault.Reason(err))
	_, err = domain.ParseRef(domain.TypeMetastore, "a")
	require.Equal(t, "SECURABLE_INVALID", fault.Reason(err))
}

func TestAnAliasIsNoNumberAndNotLatest(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"champion", "v1", "1a", "日本", "latest-but-one", "-", "٣"} {
		got, err := domain.ParseAlias(ok)
		require.NoError(t, err, ok)
		require.Equal(t, ok, got)
	}
	for _, bad := range []string{"", "1", "007", "latest", "LATEST", "a.b", "a b", "@a", strings.Repeat("a", 256)} {
		_, err := domain.ParseAlias(bad)
		require.True(t, fault.Is(err, fault.Invalid), bad)
	}
}

func TestReferencesAreRead(t *testing.T) {
	t.Parallel()
	model := domain.Ref{Type: domain.TypeModel, FullName: "a.b.c"}
	for uri, want := range map[string]domain.VersionRef{
		"models:/a.b.c/3":     {Line: model, Version: 3},
		"models:/a.b.c@champ": {Line: model, Alias: "champ"},
	} {
		got, err := domain.ParseVersionRef(domain.TypeModel, uri)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{
		"", "models:/a.b.c", "models:/a.b.c/", "models:/a.b.c/0", "models:/a.b.c/-1", "models:/a.b.c/+1", "models:/a.b.c/01", "models:/a.b.c/1.0",
		"models:/a.b.c/9223372036854775808", "models:/a.b/1", "models:/a.b.c@", "models:/a.b.c@1", "models:/a.b.c@latest", "models:/a.b.c@a@b",
		"models:/a.b.c/x", "models:/a.b.c/1/2", "models:a.b.c/1", "MODELS:/a.b.c/1", "prompts:/a.b.c/1", "models:/a.b.c /1",
	} {
		_, err := domain.ParseVersionRef(domain.TypeModel, bad)
		require.True(t, fault.Is(err, fault.Invalid), bad)
	}
	_, err := domain.ParseVersionRef(domain.TypePrompt, "prompts:/a.b.c/1")
	require.NoError(t, err)
	_, err = domain.ParseVersionRef(domain.TypeEndpoint, "endpoints:/a")
	require.True(t, fault.Is(err, fault.Invalid))
}

func TestPathsStayInsideTheVersion(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"model.gguf": "model.gguf", "a/b/c.txt": "a/b/c.txt", ".hidden/..x": ".hidden/..x", "sp ace/ü.bin": "sp ace/ü.bin", "u\u0308": "ü", "...": "...",
	} {
		got, err := domain.CleanPath(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{
		"", "/", "/etc/passwd", "..", "../x", "a/../b", "a/..", "./a", "a/./b", "a//b", "a/", `a\b`, `..\x`, "C:/x", "a:b", "a\x00b", "a\nb", "a\x7f", "\xff",
		strings.Repeat("a", 256), strings.Repeat("a/", 512) + "a",
	} {
		_, err := domain.CleanPath(bad)
		require.Equal(t, "PATH_INVALID", fault.Reason(err), "%q", bad)
	}
}

func TestPrincipalsMayBeMailAddresses(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"ada", "ada@example.org", "system:serviceaccount:x", "Zoë Ärzte"} {
		_, err := domain.ParsePrincipal(ok)
		require.NoError(t, err)
	}
	for _, bad := range []string{"", " ada", "ada\n", "a\x00", "\xff", strings.Repeat("a", 256)} {
		_, err := domain.ParsePrincipal(bad)
		require.True(t, fault.Is(err, fault.Invalid), "%q", bad)
	}
}

func TestTextThatNoStoreCouldKeepIsRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"\xff", "a\x00b"} {
		_, err := domain.ParseComment(bad)
		require.True(t, fault.Is(err, fault.Invalid))
		_, err = domain.ParseSource(bad)
		require.True(t, fault.Is(err, fault.Invalid))
		require.True(t, fault.Is(domain.CheckTags(map[string]string{bad: "v"}, nil), fault.Invalid))
		require.True(t, fault.Is(domain.CheckTags(map[string]string{"k": bad}, nil), fault.Invalid))
		require.True(t, fault.Is(domain.CheckTags(nil, []string{bad}), fault.Invalid))
	}
	require.True(t, fault.Is(domain.CheckTags(map[string]string{"": "v"}, nil), fault.Invalid))
	require.True(t, fault.Is(domain.CheckTags(map[string]string{"k": "v"}, []string{"k"}), fault.Invalid))
	require.NoError(t, domain.CheckTags(map[string]string{"k": "", "ключ": "значение\nздесь"}, []string{"other"}))
	_, err := domain.ParseComment(strings.Repeat("a", domain.MaxComment+1))
	require.True(t, fault.Is(err, fault.Invalid))
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"a.b.c", "cafe\u0301.x.y", "..", "a.b.\xff", "日本.x.y", "\u1100\u1161.b.c", "a.b.c@d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := domain.ParseRef(domain.TypeModel, s)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || !utf8.ValidString(fault.Text(err)) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if !norm.NFC.IsNormalString(ref.FullName) {
			t.Fatalf("%q became %q, which is not NFC", s, ref.FullName)
		}
		again, err := domain.ParseRef(domain.TypeModel, ref.FullName)
		if err != nil || again != ref {
			t.Fatalf("%q became %q, which becomes %q (%v)", s, ref.FullName, again.FullName, err)
		}
		for _, part := range strings.Split(ref.FullName, ".") {
			if part == "" || len(part) > domain.MaxName || strings.ContainsAny(part, "/@ %\x00\n\\:") {
				t.Fatalf("%q has the level %q", s, part)
			}
		}
		v, err := domain.ParseVersionRef(domain.TypeModel, domain.VersionURI(ref, 7))
		if err != nil || v.Line != ref || v.Version != 7 {
			t.Fatalf("%q: the reference reads as %+v (%v)", ref.FullName, v, err)
		}
	})
}

func FuzzPaths(f *testing.F) {
	for _, s := range []string{"a/b", "../x", "/x", "a\x00", "u\u0308/x", `a\b`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, err := domain.CleanPath(s)
		if err != nil {
			return
		}
		again, err := domain.CleanPath(path)
		if err != nil || again != path {
			t.Fatalf("%q became %q, which becomes %q (%v)", s, path, again, err)
		}
		for _, part := range strings.Split(path, "/") {
			if part == "" || part == "." || part == ".." {
				t.Fatalf("%q has the part %q", s, part)
			}
		}
	})
}
