package rest_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/testkit"
)

const artifacts = models + "/a.b.c/versions/3/artifacts/"

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func TestAFileGoesUpAndComesDown(t *testing.T) {
	t.Parallel()
	g := open(t)
	file := random(3<<20 + 17)
	sum := sha256.Sum256(file)
	for name, headers := range map[string][]string{
		"model.gguf":       {"X-Slipway-Sha256", hex.EncodeToString(sum[:])},
		"upper.gguf":       {"X-Slipway-Sha256", strings.ToUpper(hex.EncodeToString(sum[:]))},
		"sub/dir/a b.gguf": {"Digest", "sha-256=" + base64.StdEncoding.EncodeToString(sum[:])},
		"ü 100%.gguf":      {"Content-Digest", "md5=:AAAA:, sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"},
		"unchecked.gguf":   nil,
	} {
		path := artifacts + strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(name, "%", "%25"), " ", "%20"), "ü", "%C3%BC")
		a := g.call(t, "ana", http.MethodPut, path, bytes.NewReader(file), headers...)
		require.Equal(t, http.StatusOK, a.StatusCode, "%s: %s", name, a.body)
		require.Contains(t, string(a.body), hex.EncodeToString(sum[:]))
		stored, ok := g.registry.stored("a.b.c " + name)
		require.True(t, ok, name)
		require.True(t, bytes.Equal(file, stored), name)

		down := g.call(t, "reader", http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, down.StatusCode)
		require.True(t, bytes.Equal(file, down.body), name)
		require.EqualValues(t, len(file), down.ContentLength)
		require.Equal(t, hex.EncodeToString(sum[:]), down.Header.Get("X-Slipway-Sha256"))
		require.Equal(t, "sha-256="+base64.StdEncoding.EncodeToString(sum[:]), down.Header.Get("Digest"))
		require.Equal(t, "application/octet-stream", down.Header.Get("Content-Type"))
		require.Equal(t, "nosniff", down.Header.Get("X-Content-Type-Options"))
	}
	a := g.call(t, "ana", http.MethodPut, artifacts+"chunked.gguf", chunked{bytes.NewReader(file)})
	require.Equal(t, http.StatusOK, a.StatusCode, "a body of unknown length: %s", a.body)
}

func TestAnUploadThatIsNotWhatItSaysIsRefused(t *testing.T) {
	t.Parallel()
	g := open(t)
	sum := sha256.Sum256([]byte("x"))
	good, wrong := hex.EncodeToString(sum[:]), strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		token, path, body string
		headers           []string
		status            int
		reason            string
	}{
		"another hash":     {"ana", artifacts + "f", "x", []string{"X-Slipway-Sha256", wrong}, 400, "SHA256_MISMATCH"},
		"a short hash":     {"ana", artifacts + "f", "x", []string{"X-Slipway-Sha256", "abc"}, 400, "DIGEST_MALFORMED"},
		"no base64":        {"ana", artifacts + "f", "x", []string{"Digest", "sha-256=!!"}, 400, "DIGEST_MALFORMED"},
		"two hashes":       {"ana", artifacts + "f", "x", []string{"X-Slipway-Sha256", good, "X-Slipway-Sha256", wrong}, 400, "DIGEST_AMBIGUOUS"},
		"nothing":          {"ana", artifacts + "f", "", nil, 400, "EMPTY_FILE"},
		"encoded":          {"ana", artifacts + "f", "x", []string{"Content-Encoding", "gzip"}, 415, "CONTENT_ENCODING_UNSUPPORTED"},
		"no model":         {"ana", models + "/no.such.model/versions/3/artifacts/f", strings.Repeat("x", 1<<20), nil, 404, "MODEL_NOT_FOUND"},
		"version zero":     {"ana", models + "/a.b.c/versions/0/artifacts/f", "x", nil, 400, "PATH_MALFORMED"},
		"no version":       {"ana", models + "/a.b.c/versions/latest/artifacts/f", "x", nil, 400, "PATH_MALFORMED"},
		"no file":          {"ana", models + "/a.b.c/versions/3/artifacts/", "x", nil, 400, "PATH_MALFORMED"},
		"no file, no dash": {"ana", models + "/a.b.c/versions/3/artifacts", "x", nil, 400, "PATH_MALFORMED"},
		"only reading":     {"reader", artifacts + "f", "x", nil, 403, "SCOPE_MISSING"},
		"nobody":           {"", artifacts + "f", "x", nil, 401, "CREDENTIAL_MISSING"},
		"too large":        {"ana", artifacts + "f", strings.Repeat("x", 65<<20), nil, 413, "ARTIFACT_TOO_LARGE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := g.call(t, c.token, http.MethodPut, c.path, strings.NewReader(c.body), c.headers...)
			require.Equal(t, c.status, a.StatusCode, "%s", a.body)
			require.Equal(t, c.reason, a.problem(t).Reason)
			_, ok := g.registry.stored("a.b.c f")
			require.False(t, ok)
		})
	}
	a := g.call(t, "ana", http.MethodPost, artifacts+"f", strings.NewReader("x"))
	require.Equal(t, http.StatusMethodNotAllowed, a.StatusCode)
	require.Equal(t, "GET, HEAD, PUT", a.Header.Get("Allow"))
}

func TestAnUploadThatBreaksOffLeavesNothing(t *testing.T) {
	t.Parallel()
	g := open(t)
	conn, err := net.Dial("tcp", g.Listener.Addr().String())
	require.NoError(t, err)
	_, err = fmt.Fprintf(conn, "PUT %sf HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ana\r\nContent-Length: 1000000\r\n\r\n%s", artifacts, strings.Repeat("x", 300<<10))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Error(t, g.registry.aborted.Wait(t), "the registry must not take half a file for a whole one")
	_, ok := g.registry.stored("a.b.c f")
	require.False(t, ok)
}

func TestADownloadIsResumedAskedForAndSpared(t *testing.T) {
	t.Parallel()
	g := open(t)
	file := random(300 << 10)
	a := g.call(t, "ana", http.MethodPut, artifacts+"f", bytes.NewReader(file))
	require.Equal(t, http.StatusOK, a.StatusCode)

	part := g.call(t, "ana", http.MethodGet, artifacts+"f", nil, "Range", "bytes=1000-")
	require.Equal(t, http.StatusPartialContent, part.StatusCode)
	require.Equal(t, fmt.Sprintf("bytes 1000-%d/%d", len(file)-1, len(file)), part.Header.Get("Content-Range"))
	require.True(t, bytes.Equal(file[1000:], part.body))
	for _, other := range []string{"bytes=0-9", "bytes=-5", "bytes=1-2,4-5", "lines=1-", "bytes=x-"} {
		whole := g.call(t, "ana", http.MethodGet, artifacts+"f", nil, "Range", other)
		require.Equal(t, http.StatusOK, whole.StatusCode, other)
		require.Len(t, whole.body, len(file), other)
	}
	for _, beyond := range []int{len(file), len(file) + 1} {
		a := g.call(t, "ana", http.MethodGet, artifacts+"f", nil, "Range", fmt.Sprintf("bytes=%d-", beyond))
		require.Equal(t, http.StatusRequestedRangeNotSatisfiable, a.StatusCode)
		require.Equal(t, "RANGE_NOT_SATISFIABLE", a.problem(t).Reason)
	}

	head := g.call(t, "ana", http.MethodHead, artifacts+"f", nil)
	require.Equal(t, http.StatusOK, head.StatusCode)
	require.EqualValues(t, len(file), head.ContentLength)
	require.Empty(t, head.body)
	same := g.call(t, "ana", http.MethodGet, artifacts+"f", nil, "If-None-Match", head.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, same.StatusCode)
	none := g.call(t, "ana", http.MethodGet, artifacts+"nothing", nil)
	require.Equal(t, http.StatusNotFound, none.StatusCode)
	require.Equal(t, "ARTIFACT_NOT_FOUND", none.problem(t).Reason)
}

func TestADownloadThatFailsHalfWayIsNotTakenForTheFile(t *testing.T) {
	t.Parallel()
	g := open(t)
	a := g.call(t, "ana", http.MethodPut, artifacts+"torn", bytes.NewReader(random(300<<10)))
	require.Equal(t, http.StatusOK, a.StatusCode)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+artifacts+"torn", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer ana")
	w, err := g.Client().Do(r)
	require.NoError(t, err)
	defer w.Body.Close()
	_, err = io.ReadAll(w.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	testkit.Eventually(t, testkit.Patience, func() bool { return strings.Contains(g.log.String(), "the blob is damaged") }, "the log says why")
}
