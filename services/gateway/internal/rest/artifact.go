package rest

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// artifactFile names one file of one model version, from a path such as
// /api/slipway/v1/models/main.demo.tiny/versions/3/artifacts/sub/model.gguf.
type artifactFile struct {
	model   string
	version int64
	path    string
	err     error // why the path names none
}

// artifactOf recognises a path of the artifacts, escaped as it came: a slash inside a name is not one between names.
func artifactOf(escaped string) (artifactFile, bool) {
	parts := strings.SplitN(strings.TrimPrefix(escaped, Prefix), "/", 6)
	if len(parts) < 5 || parts[0] != "models" || parts[2] != "versions" || parts[4] != "artifacts" || !strings.HasPrefix(escaped, Prefix) {
		return artifactFile{}, false
	}
	var f artifactFile
	malformed := fault.New("rest.artifact", fault.Invalid, "the path must be models/NAME/versions/NUMBER/artifacts/FILE").WithReason("PATH_MALFORMED")
	if len(parts) < 6 || parts[5] == "" {
		f.err = malformed
		return f, true
	}
	var errs [2]error
	f.model, errs[0] = url.PathUnescape(parts[1])
	f.path, errs[1] = url.PathUnescape(parts[5])
	version, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil || version <= 0 || errs[0] != nil || errs[1] != nil {
		f.err = malformed
	}
	f.version = version
	return f, true
}

// artifact moves bytes up or down.
func (a *API) artifact(w http.ResponseWriter, r *http.Request, f artifactFile) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel() // ends the owner's call too, however this one ends
	r = r.WithContext(ctx)
	err := f.err
	if err == nil {
		switch r.Method {
		case http.MethodPut:
			err = a.upload(w, r, f)
		case http.MethodGet, http.MethodHead:
			err = a.download(w, r, f)
		default:
			w.Header().Set("Allow", "GET, HEAD, PUT")
			err = MethodNotAllowed(r.Method)
		}
	}
	if err != nil {
		Error(w, r, err)
	}
}

// sumOf is the SHA-256 that the client says its file has, in lower-case hex; "" when it says none. It may be said in three
// ways, which must agree: our own header, RFC 9530's and the older RFC 3230's.
func sumOf(h http.Header) (string, error) {
	const op = "rest.digest"
	var sum string
	add := func(text string, decode func(string) ([]byte, error)) error {
		b, err := decode(text)
		if err != nil || len(b) != 32 {
			return fault.New(op, fault.Invalid, "a SHA-256 has 32 bytes, in hex (x-slipway-sha256) or base64 (Digest, Content-Digest)").WithReason("DIGEST_MALFORMED")
		}
		if x := hex.EncodeToString(b); sum == "" || sum == x {
			sum = x
			return nil
		}
		return fault.New(op, fault.Invalid, "the digests in the headers differ").WithReason("DIGEST_AMBIGUOUS")
	}
	for _, v := range h.Values("X-Slipway-Sha256") {
		if err := add(v, hex.DecodeString); err != nil {
			return "", err
		}
	}
	for _, v := range append(h.Values("Content-Digest"), h.Values("Digest")...) {
		for item := range strings.SplitSeq(v, ",") {
			name, value, ok := strings.Cut(strings.TrimSpace(item), "=")
			if !ok || !strings.EqualFold(name, "sha-256") {
				continue // other algorithms are not ours to check
			}
			if err := add(strings.Trim(value, ":"), base64.StdEncoding.DecodeString); err != nil {
				return "", err
			}
		}
	}
	return sum, nil
}
